import type { Worker } from 'node:worker_threads'
import { PortalError } from '../../core/errors.js'
import { TransientSet } from '../../core/transient-set.js'
import { type ReadReply, type ReadRequest, unpackError, type WorkerSettings } from './protocol.js'
import { startWorker } from './worker-location.js'

type Unnumbered<T> = T extends unknown ? Omit<T, 'id'> : never

interface PendingRead {
  readonly id: number
  readonly resolve: (value: unknown) => void
  readonly reject: (error: PortalError) => void
}

/** The caller's side of the reading thread. */
export class ReaderClient {
  readonly #worker: Worker
  /** Answered in the order of asking. */
  readonly #pending = new TransientSet<PendingRead>()
  /** Asked for, and perhaps still waiting for commits before they are sent. */
  readonly #expected = new TransientSet<Promise<unknown>>()
  #nextId = 0
  #failure: PortalError | undefined
  #listener: ((error: PortalError) => void) | undefined
  readonly #exited: Promise<void>
  #ending = false

  constructor(settings: Omit<WorkerSettings, 'role' | 'program'>) {
    this.#worker = startWorker({ ...settings, role: 'reader' })
    this.#worker.unref()
    this.#worker.on('message', (reply: ReadReply | 'closed') => {
      if (reply !== 'closed') this.#onReply(reply)
    })
    this.#worker.on('error', (error) => this.#fail(error))
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', (code) => {
        if (!this.#ending) this.#fail(new Error(`The storage's reading thread ended with code ${code}.`))
        resolve()
      })
    })
  }

  onFailure(listener: (error: PortalError) => void): void {
    this.#listener = listener
    if (this.#failure !== undefined) listener(this.#failure)
  }

  request(request: Unnumbered<ReadRequest>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure)
      const id = this.#nextId++
      if (this.#pending.size === 0) this.#worker.ref()
      this.#pending.add({ id, resolve, reject })
      this.#worker.postMessage({ ...request, id })
    })
  }

  /** `end` waits for it. */
  expect(answer: Promise<unknown>): void {
    this.#expected.add(answer)
    const forget = (): void => void this.#expected.delete(answer)
    answer.then(forget, forget)
  }

  async end(): Promise<void> {
    await Promise.allSettled(this.#expected)
    this.#ending = true
    this.#worker.ref()
    this.#worker.postMessage('close')
    await this.#exited
  }

  #onReply({ id, value, error }: ReadReply): void {
    const read = this.#find(id)
    if (read !== undefined) this.#pending.delete(read)
    if (this.#pending.size === 0 && !this.#ending) this.#worker.unref()
    if (error === undefined) read?.resolve(value)
    else read?.reject(unpackError(error))
  }

  #find(id: number): PendingRead | undefined {
    for (const read of this.#pending) if (read.id === id) return read
    return undefined
  }

  #fail(cause: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = new PortalError('STORAGE_FAILED', 'The storage has failed: its reading thread died.', {
      cause,
    })
    for (const { reject } of this.#pending) reject(this.#failure)
    this.#pending.clear()
    this.#listener?.(this.#failure)
  }
}
