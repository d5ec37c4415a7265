import { isPortalError, PortalError } from '../core/errors.js'
import type { RecordBatchHeader } from '../core/record-batch-header.js'
import { planAppend } from './append-batch.js'
import type { Cut } from './cut.js'
import type { EntryLog, Leadership } from './entry-log.js'

/** A record batch that waits to be appended. */
export interface PendingProduce {
  readonly records: Uint8Array
  readonly header: RecordBatchHeader
  /** Who must have it before it is answered. */
  readonly acks: 'all' | 'leader'
  /** Called once it, or what the answer rests on, is committed. */
  answer(result: { readonly runs: readonly number[] } | { readonly error: PortalError }): void
}

/** The beginnings of messages: record batches become entries, and are answered when these are committed. */
export class ProduceStage {
  readonly #lead: Leadership
  readonly #entryLog: EntryLog
  #produces: PendingProduce[] = []

  constructor(lead: Leadership, entryLog: EntryLog) {
    this.#lead = lead
    this.#entryLog = entryLog
  }

  add(produce: PendingProduce): void {
    this.#produces.push(produce)
  }

  /** Nothing of what waits is appended. */
  refuse(error: PortalError): void {
    for (const produce of this.#produces.splice(0))
      produce.answer({ error: this.#isCopy(produce) ? undecided(error) : error })
  }

  /**
   * Nothing is appended now. A copy of what is appended waits: a refusal would say that it is not stored (invariant 14), and an answer that enough replicas
   * have it (invariant 3).
   */
  refuseNew(error: PortalError): void {
    const produces = this.#produces
    this.#produces = []
    for (const produce of produces) {
      if (this.#isCopy(produce)) this.#produces.push(produce)
      else produce.answer({ error })
    }
  }

  get isEmpty(): boolean {
    return this.#produces.length === 0
  }

  /** As many as there is room for; the others wait for the next cut. */
  cut(group: Cut): void {
    let done = 0
    while (done < this.#produces.length && !group.isFull) this.#cutOne(group, this.#produces[done++]!)
    this.#produces = done === this.#produces.length ? [] : this.#produces.slice(done)
    if (done > 0) for (const dispatcher of this.#lead.topic.dispatchers.values()) dispatcher.wake()
  }

  #cutOne(group: Cut, produce: PendingProduce): void {
    const { host, state, commitment } = this.#lead
    const refusal = host.refusal()
    if (refusal && !this.#isCopy(produce)) {
      produce.answer({ error: refusal })
      return
    }
    try {
      const plan = planAppend(
        state,
        produce.records,
        produce.header,
        host.runtime.crc32,
        this.#entryLog.safeTime(),
      )
      for (const { records, header, ids } of plan.batches) {
        this.#entryLog.append(group, { kind: 'messages', header, ids, bytes: records.length }, records)
      }
      const answer = () => produce.answer({ runs: plan.runs })
      const fail = (error: PortalError) => produce.answer({ error: undecided(error) })
      if (produce.acks === 'leader') group.onStored(answer, fail)
      else group.onCommitted(answer, fail)
    } catch (error) {
      if (!(error instanceof PortalError)) throw error
      // A refusal rests on what came before it, too (invariant 10), and on what did not come to another that leads by now.
      const fail = (reason: PortalError) => produce.answer({ error: reason })
      group.onCommitted(() => void commitment.confirm().then(() => fail(error), fail), fail)
    }
  }

  /** Whether all of it is appended already: a network may bring a request twice. */
  #isCopy({ header: { producerId, producerEpoch, baseSequence, count } }: PendingProduce): boolean {
    if (producerId === '') return false
    try {
      const { skip } = this.#lead.state.producers.check(producerId, producerEpoch, baseSequence, count)
      return skip === count
    } catch (error) {
      if (isPortalError(error, 'SEQUENCE_REFUSED')) return false
      throw error
    }
  }
}

/** NOT_LEADER says of a batch that it is not stored; of one that was appended here the next leader decides. */
function undecided(error: PortalError): PortalError {
  if (!isPortalError(error, 'NOT_LEADER')) return error
  return new PortalError(
    'TIMEOUT',
    'Another broker came to lead before the messages were committed: whether they are stored is known there.',
    { cause: error },
  )
}
