import { connect, type Socket } from 'node:net'
import type { Fault, FaultReport, FaultyRequest } from './fault.js'
import { EndedEarly, type HttpMessage, Incoming, nextAnswer, nextRequest } from './http-framing.js'

export interface Target {
  readonly host: string
  readonly port: number
}

/** What carrying needs of its proxy. */
export interface Carriage {
  /** What is to happen to a request, and whom to tell when it has. */
  choose(request: FaultyRequest): { readonly fault: Fault; over(report: FaultReport): void }
  /** The proxy cuts it when it cuts all. */
  keep(socket: Socket): void
  /** Resolves when bytes may pass. */
  light(): Promise<void>
  pause(milliseconds: number): Promise<void>
}

/** Carries the requests of one connection to the target and their answers back, one at a time, until either side ends. */
export async function carry(client: Socket, target: Target, carriage: Carriage): Promise<void> {
  const fromClient = new Incoming(client)
  let server: Socket | undefined
  let fromServer: Incoming | undefined
  let isIdle = true
  client.once('close', () => server?.destroy())
  try {
    for (;;) {
      const request = await nextRequest(fromClient)
      await carriage.light()
      if (request === undefined || client.destroyed) return
      isIdle = false
      if (server === undefined || fromServer === undefined) {
        server = open(target, carriage)
        fromServer = new Incoming(server)
        server.once('close', () => {
          if (isIdle) client.end()
        })
      }
      if (!(await exchange({ request, client, server, fromServer, target, carriage }))) return
      isIdle = true
      if (server.destroyed || server.readableEnded) return void client.end()
    }
  } catch (error) {
    if (!(error instanceof EndedEarly)) throw error
  } finally {
    client.destroy()
    server?.destroy()
  }
}

interface Exchange {
  readonly request: HttpMessage
  readonly client: Socket
  readonly server: Socket
  readonly fromServer: Incoming
  readonly target: Target
  readonly carriage: Carriage
}

/** One request and its answer. Returns whether the connection goes on. */
async function exchange(parts: Exchange): Promise<boolean> {
  const { request, client, server, fromServer, target, carriage } = parts
  const [method = '', path = ''] = request.words
  const { fault, over } = carriage.choose({ method, path })
  const report = { method, path, carriedOut: fault.type !== 'pass', requestBytes: 0, answerBytes: 0 }
  try {
    // Whole, so that it can be sent twice and its length is known: requests of tests are not endless.
    const bytes = await all(request)
    report.requestBytes = bytes.length
    if (fault.type === 'delay' && fault.request) await carriage.pause(fault.request)
    if (fault.type === 'cut-request' && fault.after <= bytes.length) {
      await write(server, bytes.subarray(0, fault.after))
      return false
    }
    report.carriedOut = fault.type !== 'pass' && fault.type !== 'cut-request'
    await carriage.light()
    await write(server, bytes)
    const copy =
      fault.type === 'duplicate' ? sendCopy(bytes, method, fault.after ?? 0, target, carriage) : undefined
    const goesOn = await answer(await nextAnswer(fromServer, method), client, fault, report, carriage)
    await copy
    return goesOn
  } finally {
    over(report)
  }
}

async function answer(
  message: HttpMessage,
  client: Socket,
  fault: Fault,
  report: { answerBytes: number; carriedOut: boolean },
  carriage: Carriage,
): Promise<boolean> {
  if (fault.type === 'swallow') {
    report.answerBytes = (await all(message)).length
    if (fault.hang) await closed(client)
    return false
  }
  if (fault.type === 'delay' && fault.answer) await carriage.pause(fault.answer)
  const limit = fault.type === 'cut-answer' ? fault.after : Number.POSITIVE_INFINITY
  if (limit === 0) return false
  for await (const piece of message.pieces) {
    await carriage.light()
    const left = limit - report.answerBytes
    report.answerBytes += piece.length
    await write(client, piece.subarray(0, left))
    if (piece.length >= left) return false
  }
  if (fault.type === 'cut-answer') report.carriedOut = false
  return true
}

/** The request once more, on a connection of its own; its answer is for nobody. */
async function sendCopy(
  bytes: Buffer,
  method: string,
  after: number,
  target: Target,
  carriage: Carriage,
): Promise<void> {
  if (after > 0) await carriage.pause(after)
  const socket = open(target, carriage)
  try {
    const incoming = new Incoming(socket)
    await write(socket, bytes)
    await all(await nextAnswer(incoming, method))
  } catch (error) {
    if (!(error instanceof EndedEarly)) throw error
  } finally {
    socket.destroy()
  }
}

function open({ host, port }: Target, carriage: Carriage): Socket {
  const socket = connect({ host, port, noDelay: true })
  carriage.keep(socket)
  return socket
}

async function all({ pieces }: HttpMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const piece of pieces) parts.push(piece)
  return Buffer.concat(parts)
}

/** Resolves when the bytes have left, or can no longer. */
function write(socket: Socket, bytes: Buffer): Promise<void> {
  if (bytes.length === 0 || socket.destroyed) return Promise.resolve()
  return new Promise((resolve) => void socket.write(bytes, () => resolve()))
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed) return resolve()
    socket.once('close', () => resolve())
  })
}
