import { isPortalError, PortalError } from '../core/errors.js'
import type { CoordinationStore } from './coordination.js'
import { type DocumentKind, decodeDocument, encodeDocument, isCount } from './document-codec.js'

/** At /fencing-token: the highest token given. One for all locks, so that a lock's nodes can be removed when it is free. */
interface TokenDocument {
  readonly token: number
}

const PATH = '/fencing-token'
const MAX_ATTEMPTS = 100

const tokenKind: DocumentKind<TokenDocument> = { what: 'fencing token', fields: { token: isCount } }

/**
 * Numbers that only rise, for ever and for all brokers: each is given once, and only after it was written.
 * All that are asked for while a write is under way are taken by the next one.
 */
export class FencingTokens {
  readonly #store: CoordinationStore
  #waiting: Waiting[] = []
  #running = false

  constructor(store: CoordinationStore) {
    this.#store = store
  }

  /** Higher than every token that was given before this call. */
  next(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      if (this.#running) return
      this.#running = true
      void this.#run()
    })
  }

  /** The highest that was given. */
  async last(): Promise<number> {
    return (await this.#read()).token
  }

  /** Every token that is given from now on is higher than `token`. */
  async raise(token: number): Promise<void> {
    await this.#write((last) => Math.max(last, token))
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting
      this.#waiting = []
      try {
        // A write whose answer is lost only skips numbers: it needs no stamp.
        const last = await this.#write((given) => given + batch.length)
        batch.forEach(({ resolve }, index) => {
          resolve(last - batch.length + 1 + index)
        })
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    this.#running = false
  }

  /** Writes what `next` makes of the highest that was given, and returns it. */
  async #write(next: (last: number) => number): Promise<number> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const { token: last, version } = await this.#read()
      const token = next(last)
      if (token === last) return token
      const bytes = encodeDocument({ token }, { writer: '', nonce: '' })
      try {
        const done =
          version === undefined
            ? await this.#store.create(PATH, bytes)
            : await this.#store.compareAndSet(PATH, bytes, version)
        if (done !== undefined) return token
      } catch (error) {
        if (!isPortalError(error, 'DISCONNECTED')) throw error
      }
    }
    throw new PortalError(
      'TIMEOUT',
      `No fencing token in ${MAX_ATTEMPTS} attempts: others take them all. Try again.`,
    )
  }

  async #read(): Promise<{ readonly token: number; readonly version?: number | undefined }> {
    const node = await this.#store.read(PATH)
    if (node === undefined) return { token: 0 }
    return { ...decodeDocument(tokenKind, PATH, node.data).document, version: node.version }
  }
}

interface Waiting {
  readonly resolve: (token: number) => void
  readonly reject: (error: unknown) => void
}
