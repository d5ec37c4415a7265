import type { ReplicaName } from '../../coordination/documents.js'
import type { StoredEntry } from '../../core/entry.js'
import { ENTRY_VERSION } from '../../core/entry.js'
import { lastEpoch, truncateEpochs, truncationPoint } from '../../core/epochs.js'
import { PortalError } from '../../core/errors.js'
import { unseal } from '../../core/seal.js'
import type { FetchPosition, FetchResult } from '../../protocol/peer-service.js'
import type { Crc32, Runtime } from '../../runtime/runtime.js'
import type { Storage, Write } from '../../storage/storage.js'
import type { CommitGroup, CommitSource, Committer } from '../committer.js'
import { emptyLog, type Recovered, recover } from '../recovery.js'
import { AppliedLog, READ_BYTES } from './applied-log.js'

export interface FollowerHost {
  readonly runtime: Runtime
  readonly storage: Storage
  readonly committer: Committer
}

interface Work {
  readonly writes: readonly Write[]
  readonly done: () => void
  readonly fail: (error: PortalError) => void
}

/**
 * A follower's half of replication: appends what the leader sends, truncates where the leader says that the logs part, and applies
 * what is committed. So truncation never undoes state.
 */
export class Follower implements CommitSource {
  readonly topicId: string
  readonly partition: number
  readonly log: string
  #host: FollowerHost
  #applied: AppliedLog
  /** Of the whole log: what is not committed, too. */
  #epochs: number[]
  #next: number
  #highWatermark: number
  /** The last round of its leader that it heard of. */
  #round = 0
  #documentVersion = 0
  /** Its leader has said what is committed. */
  #isTold = false
  #work: Work[] = []
  #closed: PortalError | undefined
  #isUntrusted = false
  #contradicted = false
  /** What it takes, one after the other. */
  #taking: Promise<void> = Promise.resolve()
  #waiting = 0
  readonly #end = new AbortController()
  epoch = -1
  leader: ReplicaName | undefined

  private constructor(
    host: FollowerHost,
    name: { readonly topicId: string; readonly partition: number; readonly log: string },
    recovered: Recovered,
    end: { readonly next: number; readonly epochs: number[] },
  ) {
    this.#host = host
    this.topicId = name.topicId
    this.partition = name.partition
    this.log = name.log
    this.#applied = this.#appliedTo(recovered)
    this.#epochs = end.epochs
    this.#next = end.next
    this.#highWatermark = recovered.state.nextIndex
  }

  /** Reads the log. `committed`: below it all is known to be committed; what a snapshot covers always is. */
  static async open(
    host: FollowerHost,
    name: { readonly topicId: string; readonly partition: number; readonly log: string },
    committed = 0,
  ): Promise<Follower> {
    const recovered = await recover(host.storage, name.log, host.runtime.crc32, committed)
    const epochs = [...recovered.state.epochs]
    let next = recovered.state.nextIndex
    for (;;) {
      const entries = await host.storage.read(name.log, { from: next, maxBytes: READ_BYTES })
      if (entries.length === 0) break
      for (const entry of entries) {
        if (entry.index !== next)
          throw new PortalError('CORRUPT', `Entry ${next} of ${name.log} is missing from the storage.`)
        if (entry.epoch !== lastEpoch(epochs)) epochs.push(entry.epoch, entry.index)
        next++
      }
    }
    return new Follower(host, name, recovered, { next, epochs })
  }

  /** Begins with nothing. What is stored cannot be trusted, but may be the last there is: it goes when the first of a copy has come. */
  static openUntrusted(
    host: FollowerHost,
    name: { readonly topicId: string; readonly partition: number; readonly log: string },
  ): Follower {
    const follower = new Follower(host, name, emptyLog(), { next: 0, epochs: [] })
    follower.#isUntrusted = true
    return follower
  }

  /** The index that its next entry gets: all below is fsynced. */
  get next(): number {
    return this.#next
  }

  get highWatermark(): number {
    return this.#highWatermark
  }

  /** What is stored is not what this says, and goes when a copy comes. */
  get isUntrusted(): boolean {
    return this.#isUntrusted
  }

  /** Of messages, as far as they are applied. */
  get storedBytes(): number {
    return this.#applied.storedBytes
  }

  /** The leader says that what was committed is not: one of them has lost something, and nothing may be thrown away here. */
  get contradicted(): boolean {
    return this.#contradicted
  }

  get closed(): PortalError | undefined {
    return this.#closed
  }

  /** The highest version of the partition's document that is known to name this replica. */
  get documentVersion(): number {
    return this.#documentVersion
  }

  /** A document of this version names it. */
  named(version: number): void {
    this.#documentVersion = Math.max(this.#documentVersion, version)
  }

  follow(leader: ReplicaName, epoch: number): void {
    this.leader = leader
    this.epoch = epoch
    this.#round = 0
    this.#isTold = false
  }

  position(): FetchPosition {
    return {
      topicId: this.topicId,
      partition: this.partition,
      epoch: this.epoch,
      next: this.#next,
      lastEpoch: lastEpoch(this.#epochs),
      // Whoever is not told is answered soon, and knows then whether it is behind.
      highWatermark: this.#isTold ? this.#highWatermark : 0,
      round: this.#round,
      documentVersion: this.#documentVersion,
    }
  }

  /** Its log is about to change: what `position()` says now may not be so any more when a leader hears it (invariant 6). */
  get isBusy(): boolean {
    return this.#waiting > 0
  }

  /**
   * Takes what the leader answered to the position that was `asked`; resolves once it is fsynced. What was said to another position counts
   * no more. Rejects with CORRUPT or UNSUPPORTED: it must stop.
   */
  take(asked: FetchPosition, result: FetchResult): Promise<void> {
    return this.#inTurn(() => this.#take(asked, result))
  }

  /**
   * Replaces the log by what `install` stores instead of it, which ends soon after `signal` aborts. It calls `cleared` when the log is deleted:
   * from then on, and if it fails after that, this log is empty.
   */
  reinstall(install: (ends: { cleared(): void; signal: AbortSignal }) => Promise<Recovered>): Promise<void> {
    const cleared = () => this.#replace(emptyLog())
    return this.#inTurn(async () => this.#replace(await install({ cleared, signal: this.#end.signal })))
  }

  /** Whether it still stands where it was when this was its position, and goes on from there. */
  isAt(asked: FetchPosition): boolean {
    const { epoch, next, lastEpoch: last } = this.position()
    return asked.epoch === epoch && asked.next === next && asked.lastEpoch === last
  }

  /**
   * Whether it has all that was committed when its leader showed `highWatermark`. That shows nothing before an entry of its own epoch is committed:
   * what was committed earlier comes before the first of these.
   */
  hasAllOf(highWatermark: number): boolean {
    return highWatermark > 0 ? this.#next >= highWatermark : lastEpoch(this.#epochs) === this.epoch
  }

  async #inTurn(work: () => Promise<void>): Promise<void> {
    this.#waiting++
    const done = this.#taking.then(async () => {
      if (!this.#closed) await work()
    })
    this.#taking = done.catch(() => {})
    try {
      await done
    } finally {
      this.#waiting--
    }
  }

  async #take(asked: FetchPosition, result: FetchResult): Promise<void> {
    if (!this.isAt(asked)) return
    if (result.type === 'diverged') await this.#truncate(result)
    else if (result.type === 'entries') {
      this.#round = result.round
      this.named(result.documentVersion)
      this.#isTold ||= result.highWatermark > 0
      if (result.entries.length > 0) await this.#append(result.entries)
      await this.#commit(result.highWatermark)
    }
  }

  #replace(recovered: Recovered): void {
    this.#isUntrusted = false
    this.#applied = this.#appliedTo(recovered)
    this.#epochs = [...recovered.state.epochs]
    this.#next = recovered.state.nextIndex
    this.#highWatermark = recovered.state.nextIndex
  }

  /** Ends it, once what it writes is written. */
  async close(error: PortalError): Promise<void> {
    if (this.#closed) return
    this.#closed = error
    this.#end.abort()
    for (const { fail } of this.#work.splice(0)) fail(error)
    // What the storage was given is written, and is part of the log.
    await this.#taking
    const writes = this.#applied.endSnapshot()
    this.#host.committer.forget(this)
    if (writes.length > 0) await this.#host.storage.commit(writes, { durable: true })
  }

  /** After `close`: all that its log says, for the leader that it becomes; what was not committed will be, under the new epoch. */
  async promote(): Promise<Recovered> {
    await this.#applied.applyBelow(this.#next)
    return this.#applied.recovered
  }

  cut(group: CommitGroup): boolean {
    if (this.#closed) return false
    const work = this.#work
    this.#work = []
    for (const { writes, done, fail } of work) {
      for (const write of writes) group.add(write, 0)
      group.durable = true
      group.onCommitted(done, fail)
    }
    return this.#applied.cutSnapshot(group)
  }

  async #append(entries: readonly StoredEntry[]): Promise<void> {
    const { crc32 } = this.#host.runtime
    let last = lastEpoch(this.#epochs)
    let next = this.#next
    for (const entry of entries) {
      if (entry.index !== next || entry.epoch < last || entry.epoch > this.epoch) {
        throw new PortalError(
          'DISCONNECTED',
          `The leader of ${this.log} sent entry ${entry.index} of epoch ${entry.epoch} where ${next} of epoch ${last} or later was expected.`,
        )
      }
      if (entry.version > ENTRY_VERSION) {
        throw new PortalError(
          'UNSUPPORTED',
          `The leader of ${this.log} writes entries of version ${entry.version}, this build reads up to ${ENTRY_VERSION}. Install a newer portal-mq here.`,
        )
      }
      checkOnArrival(entry, crc32)
      last = entry.epoch
      next++
    }
    if (this.#isUntrusted) await this.#write([{ type: 'delete-log', log: this.log }])
    this.#isUntrusted = false
    await this.#write([{ type: 'append', log: this.log, entries }])
    for (const entry of entries)
      if (entry.epoch !== lastEpoch(this.#epochs)) this.#epochs.push(entry.epoch, entry.index)
    this.#next = next
    this.#applied.appended(entries)
  }

  async #truncate(told: { readonly epoch: number; readonly end: number }): Promise<void> {
    const from = truncationPoint(this.#epochs, this.#next, told)
    if (from < this.#highWatermark) {
      this.#contradicted = true
      throw new PortalError(
        'CORRUPT',
        `The leader of ${this.log} says that the logs part at ${from}, below ${this.#highWatermark}, which was committed. One of the two has lost what it had stored.`,
      )
    }
    if (from >= this.#next) return
    await this.#write([{ type: 'truncate', log: this.log, from }])
    truncateEpochs(this.#epochs, from)
    this.#next = from
    this.#applied.truncated(from)
  }

  async #commit(highWatermark: number): Promise<void> {
    const to = Math.min(highWatermark, this.#next)
    if (to <= this.#highWatermark) return
    this.#highWatermark = to
    await this.#applied.applyBelow(to)
    if (!this.#closed && this.#applied.isSnapshotDue) this.#host.committer.mark(this)
  }

  #write(writes: readonly Write[]): Promise<void> {
    return new Promise((done, fail) => {
      if (this.#closed) return fail(this.#closed)
      this.#work.push({ writes, done, fail })
      this.#host.committer.mark(this)
    })
  }

  #appliedTo(recovered: Recovered): AppliedLog {
    return new AppliedLog(this.log, this.#host.storage, this.#host.runtime.crc32, recovered)
  }
}

/** What was damaged on its way is asked for again. */
function checkOnArrival(entry: StoredEntry, crc32: Crc32): void {
  try {
    unseal(entry.payload, crc32)
  } catch (cause) {
    throw new PortalError('DISCONNECTED', `Entry ${entry.index} was damaged on its way.`, { cause })
  }
}
