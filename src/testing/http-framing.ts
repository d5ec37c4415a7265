import type { Socket } from 'node:net'

/** The connection ended where more had to come. */
export class EndedEarly extends Error {}

const LINE_END = Buffer.from('\r\n')
const HEAD_END = Buffer.from('\r\n\r\n')
/** More is no head of anything that a test sends. */
const LONGEST_HEAD = 1 << 20

/** What comes in on a connection, to be taken piece by piece. */
export class Incoming {
  #buffered: Buffer[] = []
  #ended = false
  #wake = () => {}

  constructor(socket: Socket) {
    const end = () => {
      this.#ended = true
      this.#wake()
    }
    socket.on('data', (chunk: Buffer) => {
      this.#buffered.push(chunk)
      this.#wake()
    })
    socket.on('end', end)
    socket.on('close', end)
    socket.on('error', end)
  }

  /** What has come, at least a byte; undefined at the end. */
  async some(): Promise<Buffer | undefined> {
    while (this.#buffered.length === 0) {
      if (this.#ended) return undefined
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    return this.#buffered.shift()!
  }

  /** Everything up to and with `mark`; undefined if nothing comes any more. */
  async until(mark: Buffer): Promise<Buffer | undefined> {
    let all: Buffer = Buffer.alloc(0)
    for (;;) {
      const piece = await this.some()
      if (piece === undefined) {
        if (all.length === 0) return undefined
        throw new EndedEarly()
      }
      const from = Math.max(0, all.length - mark.length)
      all = all.length === 0 ? piece : Buffer.concat([all, piece])
      const at = all.indexOf(mark, from)
      if (at >= 0) {
        const end = at + mark.length
        if (end < all.length) this.#buffered.unshift(all.subarray(end))
        return all.subarray(0, end)
      }
      if (all.length > LONGEST_HEAD) throw new EndedEarly()
    }
  }

  async *exactly(count: number): AsyncGenerator<Buffer, void, undefined> {
    for (let left = count; left > 0; ) {
      const piece = await this.some()
      if (piece === undefined) throw new EndedEarly()
      if (piece.length > left) this.#buffered.unshift(piece.subarray(left))
      const taken = piece.subarray(0, left)
      left -= taken.length
      yield taken
    }
  }

  async *rest(): AsyncGenerator<Buffer, void, undefined> {
    for (let piece = await this.some(); piece !== undefined; piece = await this.some()) yield piece
  }
}

/** An HTTP/1.1 message: the first line's words, and its bytes as they come, the head whole and first. */
export interface HttpMessage {
  readonly words: readonly string[]
  readonly pieces: AsyncGenerator<Buffer, void, undefined>
}

/** The next request; undefined when the connection ends before it. */
export async function nextRequest(incoming: Incoming): Promise<HttpMessage | undefined> {
  const head = await incoming.until(HEAD_END)
  return head && message(incoming, head, headerOf(head, 'content-length') ?? '0')
}

/** The answer to a request of that method, without those (1xx) that only say that it comes. Throws EndedEarly. */
export async function nextAnswer(incoming: Incoming, method: string): Promise<HttpMessage> {
  for (;;) {
    const head = await incoming.until(HEAD_END)
    if (head === undefined) throw new EndedEarly()
    const status = wordsOf(head)[1] ?? ''
    if (/^1\d\d$/.test(status)) continue
    const hasNoBody = method === 'HEAD' || status === '204' || status === '304'
    return message(incoming, head, hasNoBody ? '0' : headerOf(head, 'content-length'))
  }
}

function message(incoming: Incoming, head: Buffer, length: string | undefined): HttpMessage {
  const isChunked = /\bchunked\b/i.test(headerOf(head, 'transfer-encoding') ?? '')
  async function* pieces() {
    yield head
    if (isChunked) yield* chunks(incoming)
    else if (length === undefined) yield* incoming.rest()
    else yield* incoming.exactly(Number(length))
  }
  return { words: wordsOf(head), pieces: pieces() }
}

async function* chunks(incoming: Incoming): AsyncGenerator<Buffer, void, undefined> {
  for (;;) {
    const line = await lineOf(incoming)
    yield line
    const size = Number.parseInt(line.toString('latin1'), 16)
    if (size > 0) {
      yield* incoming.exactly(size + LINE_END.length)
      continue
    }
    // Trailers, and the empty line that ends them.
    for (let trailer = await lineOf(incoming); ; trailer = await lineOf(incoming)) {
      yield trailer
      if (trailer.length === LINE_END.length) return
    }
  }
}

async function lineOf(incoming: Incoming): Promise<Buffer> {
  const line = await incoming.until(LINE_END)
  if (line === undefined) throw new EndedEarly()
  return line
}

function wordsOf(head: Buffer): string[] {
  return head.toString('latin1', 0, head.indexOf(LINE_END)).split(' ')
}

function headerOf(head: Buffer, name: string): string | undefined {
  const match = new RegExp(`^${name}:[ \\t]*(.*?)[ \\t]*$`, 'im').exec(head.toString('latin1'))
  return match?.[1]
}
