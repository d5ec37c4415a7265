import type { Worker } from 'node:worker_threads'
import { PortalError } from '../../core/errors.js'
import { type MakeRoom, unpackError, type WorkerSettings, type WriterReply } from './protocol.js'
import { startWorker } from './worker-location.js'

interface PendingCommit {
  readonly resolve: () => void
  readonly reject: (error: PortalError) => void
}

/** The caller's side of the writing thread. */
export class WriterClient {
  /** Resolves to whether the storage was closed properly; rejects if it cannot be opened. */
  readonly ready: Promise<boolean>
  readonly #worker: Worker
  /** In the order of their calls, which is the order of the replies. */
  #pending: PendingCommit[] = []
  /** How many of `#pending` have settled already: shifting an array for each would move the rest. */
  #settledAtFront = 0
  #waiting: Array<{ readonly commits: number; readonly resolve: () => void }> = []
  #called = 0
  #settled = 0
  #reusableBytes = 0
  #failure: PortalError | undefined
  readonly #listeners: Array<(error: PortalError) => void> = []
  #onReady: { resolve: (wasClean: boolean) => void; reject: (error: PortalError) => void } | undefined
  readonly #exited: Promise<void>
  #ending = false

  constructor(settings: Omit<WorkerSettings, 'role' | 'program'>) {
    this.#worker = startWorker({ ...settings, role: 'writer' })
    this.#worker.on('message', (reply: WriterReply) => this.#onReply(reply))
    this.#worker.on('error', (error) => this.fail(threadDied(error)))
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', (code) => {
        if (!this.#ending)
          this.fail(threadDied(new Error(`The storage's writing thread ended with code ${code}.`)))
        resolve()
      })
    })
    this.ready = new Promise((resolve, reject) => {
      this.#onReady = { resolve, reject }
    })
  }

  /** What is free inside the file, as the thread told last. */
  get reusableBytes(): number {
    return this.#reusableBytes
  }

  makeRoom(bytes: number): void {
    const request: MakeRoom = { type: 'make-room', bytes }
    this.#worker.postMessage(request)
  }

  checkHealthy(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  commit(packed: ArrayBuffer): Promise<void> {
    if (this.#called === this.#settled) this.#worker.ref()
    this.#called++
    this.#worker.postMessage(packed, [packed])
    return new Promise((resolve, reject) => {
      this.#pending.push({ resolve, reject })
    })
  }

  /** Resolves when all commits called so far have settled, either way. */
  settled(): Promise<void> {
    if (this.#called === this.#settled) return Promise.resolve()
    return new Promise((resolve) => {
      this.#waiting.push({ commits: this.#called, resolve })
    })
  }

  onFailure(listener: (error: PortalError) => void): void {
    this.#listeners.push(listener)
  }

  /** Nothing is acknowledged any more. The first error stands. */
  fail(error: PortalError): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#onReady?.reject(error)
    const opened = this.#onReady === undefined
    this.#onReady = undefined
    this.#settle(this.#called - this.#settled, ({ reject }) => reject(error))
    if (opened) for (const listener of this.#listeners) listener(error)
  }

  /** Finishes the commits under way, closes the database and ends the thread. */
  async end(): Promise<void> {
    this.#ending = true
    this.#worker.ref()
    this.#worker.postMessage(this.#failure === undefined ? 'close' : 'abandon')
    await this.#exited
    if (this.#failure === undefined && this.#called > this.#settled) {
      this.fail(threadDied(new Error('The thread ended before its commits.')))
    }
  }

  #onReply(reply: WriterReply): void {
    if (typeof reply === 'number') this.#settle(reply, ({ resolve }) => resolve())
    else if (reply === 'closed') return
    else if (reply.type === 'reusable') this.#reusableBytes = reply.bytes
    else if (reply.type === 'failed') this.fail(unpackError(reply.error))
    else if (reply.type === 'refused') {
      const error = unpackError(reply.error)
      this.#settle(1, ({ reject }) => reject(error))
    } else {
      this.#onReady?.resolve(reply.wasClean)
      this.#onReady = undefined
      this.#worker.unref()
    }
  }

  #settle(count: number, settle: (commit: PendingCommit) => void): void {
    // After a failure, replies that were already on their way find nobody: they are not believed any more.
    const end = Math.min(this.#settledAtFront + count, this.#pending.length)
    while (this.#settledAtFront < end) {
      settle(this.#pending[this.#settledAtFront++]!)
      this.#settled++
    }
    if (this.#settledAtFront === this.#pending.length) {
      this.#pending = []
      this.#settledAtFront = 0
      if (!this.#ending) this.#worker.unref()
    }
    while (this.#waiting.length > 0 && this.#waiting[0]!.commits <= this.#settled)
      this.#waiting.shift()!.resolve()
  }
}

function threadDied(cause: unknown): PortalError {
  return new PortalError('STORAGE_FAILED', 'The storage has failed: its thread died.', { cause })
}
