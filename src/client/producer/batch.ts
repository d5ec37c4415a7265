import type { PortalError } from '../../core/errors.js'
import type { RecordBatchBuilder } from '../../core/record-batch-builder.js'
import type { Flush } from './flush.js'
import type { Outgoing } from './outgoing.js'
import type { Sent } from './sent.js'

/** open: takes messages, and may be sent as it is. waiting: complete, to be sent or sent again. sending: in a request. decided: stored or refused. */
export type BatchState = 'open' | 'waiting' | 'sending' | 'decided'

/** Messages for one partition that go, fail and are answered together; and who waits for them. */
export class ProducerBatch {
  readonly builder: RecordBatchBuilder
  /** Monotonic: when it gives up. That of its first message. */
  readonly deadline: number
  /** By the producer's count: what it takes of the buffer. */
  bytes = 0
  state: BatchState = 'open'
  /** Sealed: what every retry repeats byte by byte. */
  records: Uint8Array | undefined
  /** Some attempt ended without an answer: it may be stored. */
  maybeStored = false
  /** Refused because an earlier one was missing: goes only once that is decided. */
  waitsForHead = false
  /** When it was sent last every earlier one was decided. */
  wentAsHead = false
  /** Refused before its turn, and not again: a copy of it that the network made may have come in its turn. */
  isDoubtful = false
  lastError: PortalError | undefined
  readonly timestamps: number[] = []
  readonly resolves: ((sent: Sent) => void)[] = []
  readonly rejects: ((error: PortalError) => void)[] = []
  #flushes: Set<Flush> | undefined

  constructor(builder: RecordBatchBuilder, deadline: number) {
    this.builder = builder
    this.deadline = deadline
  }

  get count(): number {
    return this.timestamps.length
  }

  /** Whether the message went in; a batch that is full takes none. */
  tryAdd(outgoing: Outgoing): boolean {
    if (!this.builder.tryAppend(outgoing.record)) return false
    this.bytes += outgoing.bytes
    this.timestamps.push(outgoing.record.timestamp)
    this.resolves.push(outgoing.resolve)
    this.rejects.push(outgoing.reject)
    if (outgoing.flushes !== undefined) for (const flush of outgoing.flushes) this.awaitedBy(flush)
    return true
  }

  reject(error: PortalError): void {
    for (const reject of this.rejects) reject(error)
    this.answered()
  }

  /** A flush waits until all its promises are settled. */
  awaitedBy(flush: Flush): void {
    this.#flushes ??= new Set()
    if (this.#flushes.has(flush)) return
    this.#flushes.add(flush)
    flush.enter()
  }

  /** Its promises are settled. */
  answered(): void {
    if (this.#flushes === undefined) return
    for (const flush of this.#flushes) flush.leave()
    this.#flushes = undefined
  }
}
