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
  /** The one that waits for all of its messages. */
  readonly flush: Flush

  constructor(builder: RecordBatchBuilder, deadline: number, flush: Flush) {
    this.builder = builder
    this.flush = flush
    this.deadline = deadline
  }

  get count(): number {
    return this.timestamps.length
  }

  /** Whether the message went in; a batch takes none when it is full, or after a flush. */
  tryAdd(outgoing: Outgoing): boolean {
    if (outgoing.flush !== this.flush || !this.builder.tryAppend(outgoing.record)) return false
    this.bytes += outgoing.bytes
    this.timestamps.push(outgoing.record.timestamp)
    this.resolves.push(outgoing.resolve)
    this.rejects.push(outgoing.reject)
    outgoing.isPlaced = true
    return true
  }

  reject(error: PortalError): void {
    for (const reject of this.rejects) reject(error)
    this.flush.leave(this.count)
  }
}
