import type { EntryBody } from '../core/entry-body.js'
import type { PortalError } from '../core/errors.js'
import type { PartitionState } from '../core/partition-state.js'
import type { SnapshotBook } from '../core/snapshot.js'
import { BatchReader } from './batch-reader.js'
import type { CommitGroup, CommitSource } from './committer.js'
import { aloneCommitment, type Commitment, type Cut } from './cut.js'
import { EntryLog } from './entry-log.js'
import type { PartitionHost, TopicView } from './host.js'
import { LeaseStage } from './lease-stage.js'
import { type PendingProduce, ProduceStage } from './produce-stage.js'
import { QueueTimes } from './queue-times.js'
import { SettleStage } from './settle-stage.js'
import type { PendingSettle } from './settling.js'
import { Snapshotter } from './snapshotter.js'
import type { DispatchTarget } from './waiters.js'

/** A change that is decided when its turn comes; undefined: none is needed any more. */
export interface Proposal {
  /** What a leader's own beginning needs is written even when too few are in sync. */
  readonly essential: boolean
  decide(state: PartitionState): EntryBody | undefined
  /** Called once it is committed, or at once if there was nothing to do. */
  committed(): void
  fail(error: PortalError): void
}

/**
 * The leader of one partition. Work waits here until the committer cuts it; then it becomes entries, applied at once to the
 * speculative state and answered when committed.
 */
export class Partition implements CommitSource, DispatchTarget {
  readonly topic: TopicView
  readonly partition: number
  readonly log: string
  readonly epoch: number
  readonly state: PartitionState
  readonly reader: BatchReader
  readonly #host: PartitionHost
  readonly #times: QueueTimes
  readonly #snapshotter: Snapshotter
  readonly #entryLog: EntryLog
  readonly #produces: ProduceStage
  readonly #settles: SettleStage
  readonly #leases: LeaseStage
  readonly #commitment: Commitment
  #proposals: Proposal[] = []
  #takeovers: ((group: Cut) => void)[] = []
  #isFound = false
  #closed: PortalError | undefined
  #held = false

  constructor(
    host: PartitionHost,
    topic: TopicView,
    partition: number,
    log: string,
    epoch: number,
    recovered: {
      readonly state: PartitionState
      readonly book: SnapshotBook
      readonly strayPages: readonly number[]
      readonly logStart: number
    },
    commitment: Commitment = aloneCommitment,
  ) {
    this.#host = host
    this.topic = topic
    this.partition = partition
    this.log = log
    this.epoch = epoch
    this.state = recovered.state
    this.#commitment = commitment
    this.reader = new BatchReader(host, log, this.state.directory)
    this.#snapshotter = new Snapshotter(
      log,
      this.state,
      recovered.book,
      recovered.strayPages,
      host.runtime.crc32,
      commitment,
      recovered.logStart,
    )
    this.#times = new QueueTimes(host.runtime, this.state, () => this.#onTime())
    const { state, reader } = this
    const lead = {
      host,
      topic,
      partition,
      log,
      epoch,
      state,
      reader,
      times: this.#times,
      snapshotter: this.#snapshotter,
      commitment,
    }
    this.#entryLog = new EntryLog(lead)
    this.#produces = new ProduceStage(lead, this.#entryLog)
    this.#settles = new SettleStage(lead, this.#entryLog)
    this.#leases = new LeaseStage(lead, this.#entryLog, (settle) => this.settle(settle))
  }

  /** Ids of the brokers that have it; undefined: this one alone. */
  get placement(): Commitment['placement'] {
    return this.#commitment.placement
  }

  /** Every message below is committed: nothing above is shown. */
  get committedOffset(): number {
    return this.#entryLog.committedOffset
  }

  /** Everything waiting is refused with `error`, and so is what comes later. */
  close(error: PortalError): void {
    if (this.#closed) return
    this.#closed = error
    this.#times.stop()
    this.reader.close()
    this.#host.committer.forget(this)
    this.#commitment.close(error)
    this.#produces.refuse(error)
    for (const waiting of [...this.#settles.abandon(), ...this.#proposals.splice(0)]) waiting.fail(error)
    this.#entryLog.committed.ring()
    this.#settles.dying.ring()
  }

  get closed(): PortalError | undefined {
    return this.#closed
  }

  mark(): void {
    if (!this.#closed) this.#host.committer.mark(this)
  }

  produce(produce: PendingProduce): void {
    if (this.#closed) {
      produce.answer({ error: this.#closed })
      return
    }
    this.#produces.add(produce)
    this.mark()
  }

  settle(settle: PendingSettle): void {
    if (this.#closed) {
      settle.fail(this.#closed)
      return
    }
    this.#settles.add(settle)
    this.mark()
  }

  /** Resolves when all that it has decided by now is committed: what rests on it may be said (invariant 10). */
  caughtUp(): Promise<void> {
    return this.propose(() => undefined)
  }

  /** Resolves once it is certain that nobody else led when this was called: what is not here is nowhere. Rejects with NOT_LEADER. */
  confirm(): Promise<void> {
    return this.#commitment.confirm()
  }

  /** More is committed: a snapshot may be complete now. `again`: what was refused can be appended again. */
  progressed(again: boolean): void {
    if (this.#closed) return
    if (again) this.#onTime()
    if (again || this.#snapshotter.pending) this.mark()
  }

  /** While it is true, what comes waits: leadership is about to move. */
  hold(held: boolean): void {
    this.#held = held
    if (!held) this.mark()
  }

  /** From here on no entry is missing in the log: who lacks earlier ones needs the snapshot. */
  get logStart(): number {
    return this.#snapshotter.logStart
  }

  /** Resolves when the change is committed. */
  async propose(
    decide: (state: PartitionState) => EntryBody | undefined,
    { essential = false }: { readonly essential?: boolean } = {},
  ): Promise<void> {
    if (this.#closed) throw this.#closed
    await new Promise<void>((committed, fail) => {
      this.#proposals.push({ essential, decide, committed, fail })
      this.mark()
    })
  }

  /** Calls back once, when more is committed or the partition closes. Returns what forgets it. */
  onceCommitted(callback: () => void): () => void {
    return this.#entryLog.committed.once(callback)
  }

  /** Calls back once, when a dying message is committed as such. */
  onceDying(callback: () => void): () => void {
    return this.#settles.dying.once(callback)
  }

  hasWork(group: string): boolean {
    const queue = this.state.queues.get(group)
    if (!queue || this.#closed) return false
    return (
      this.#times.ready(queue).size > 0 ||
      this.#times.readySuspects(queue).size > 0 ||
      queue.suspects.size > 0 ||
      queue.free.size > 0 ||
      this.state.nextOffset > queue.cursor
    )
  }

  heldBy(group: string, consumer: string): { held: number; suspects: number } {
    const queue = this.state.queues.get(group)
    return { held: queue?.held.get(consumer) ?? 0, suspects: queue?.suspectsHeld.get(consumer) ?? 0 }
  }

  suspectsOf(group: string): { waiting: number; held: number } {
    const queue = this.state.queues.get(group)
    if (!queue) return { waiting: 0, held: 0 }
    return {
      waiting: queue.suspects.size + this.#times.readySuspects(queue).size,
      held: queue.suspectsHeld.size,
    }
  }

  /** Asks for a snapshot even if little has changed. */
  requestSnapshot(): void {
    this.#snapshotter.request()
    this.mark()
  }

  /**
   * Its topic has it now. Before, what a consumer holds here is not counted: nothing is leased to anybody, and no lease ends by itself, since
   * both depend on that (invariant 22).
   */
  found(): void {
    this.#isFound = true
    this.mark()
  }

  cut(group: CommitGroup): boolean {
    if (this.#closed || this.#held) return false
    const cut = this.#commitment.cut(group, () => this.state.nextIndex)
    const refusal = this.#commitment.refusal()
    if (refusal) this.#refuse(refusal)
    this.#cutProposals(cut)
    for (const takeOver of this.#takeovers.splice(0)) takeOver(cut)
    if (!refusal) {
      this.#settles.cut(cut)
      if (this.#isFound) this.#settles.cutOverdue(cut)
      this.#produces.cut(cut)
    }
    const isLeft = !refusal && this.#isFound && this.#leases.cut(cut)
    this.#entryLog.flush(cut)
    this.#snapshotter.cut(cut)
    return isLeft || (!refusal && !this.#produces.isEmpty) || this.#snapshotter.pending
  }

  /** Nothing of what waits is appended; copies of what is, and leases that end, wait until something can be. */
  #refuse(error: PortalError): void {
    this.#produces.refuseNew(error)
    for (const settle of this.#settles.abandon()) settle.fail(error)
    const proposals = this.#proposals
    this.#proposals = proposals.filter(({ essential }) => essential)
    for (const proposal of proposals) if (!proposal.essential) proposal.fail(error)
  }

  /** Ends the leases of consumers that lived in this process before it started: they are gone. */
  async endLocalLeases(heldBy: (group: string, consumer: string) => number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#takeovers.push((group) => {
        // Only now: before its epoch a leader decides nothing, and its groups may not be known yet.
        this.#times.start()
        this.#settles.endLocal(group, heldBy)
        group.onCommitted(resolve, reject)
      })
      this.mark()
    })
  }

  #cutProposals(group: Cut): void {
    const proposals = this.#proposals
    if (proposals.length === 0) return
    this.#proposals = []
    for (const proposal of proposals) {
      const body = proposal.decide(this.state)
      if (body) this.#entryLog.append(group, body)
      group.onCommitted(
        () => proposal.committed(),
        (error) => proposal.fail(error),
      )
      if (body?.kind === 'group') {
        this.#times.restart()
        this.topic.dispatchers.get(body.group)?.wake()
      }
    }
  }

  /** A lease has ended or a retry is due. */
  #onTime(): void {
    for (const dispatcher of this.topic.dispatchers.values()) dispatcher.wake()
    if (this.#times.leasesDue) this.mark()
  }
}
