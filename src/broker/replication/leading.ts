import type { PartitionDocument, ReplicaName } from '../../coordination/documents.js'
import { isSameReplica } from '../../coordination/partition-change.js'
import type { VersionedPartition } from '../../coordination/partition-version.js'
import type { StoredEntry } from '../../core/entry.js'
import { epochEnd, matches } from '../../core/epochs.js'
import { isPortalError, PortalError } from '../../core/errors.js'
import { includesReplica } from '../../core/placement/placed-partition.js'
import {
  type FollowerProgress,
  heardFollower,
  highWatermark,
  lags,
  mayJoin,
  unheardFollower,
} from '../../core/replication.js'
import type { FetchPosition, FetchResult, Incarnation } from '../../protocol/peer-service.js'
import type { Runtime, Timer } from '../../runtime/runtime.js'
import { sleepUntil } from '../../runtime/wait.js'
import type { Storage, Write } from '../../storage/storage.js'
import type { CommitGroup } from '../committer.js'
import type { Commitment, Cut } from '../cut.js'
import { RecentEntries } from './recent-entries.js'

/** What the leader of a replicated partition needs of its broker. */
export interface LeadingHost {
  readonly runtime: Runtime
  readonly storage: Storage
  readonly self: ReplicaName
  /** Milliseconds that a replica may be behind before it no longer counts as in sync. */
  readonly lagTime: number
  /** Whether this is how the replica is registered now: an earlier life of it counts for nothing (invariant 8). */
  isRegistered(replica: Incarnation): boolean
  /** Whether it is no earlier life of the replica than the one that is registered. */
  isCurrent(replica: Incarnation): boolean
  /** Whether its broker lives with another database: this one will not come back soon. */
  isReplaced(replica: ReplicaName): boolean
  /** Its log cannot be read. Returns what to tell whoever has asked. */
  damaged(log: string, error: PortalError): PortalError
  /** The version of entries that all who may ever read the log understand. */
  entryVersion(): number
  /** Whether the coordination session certainly lives: a leader that is alone in its in-sync set acknowledges only then. */
  sessionHolds(): boolean
  /** Changes the document by compare-and-set; resolves to what is in force then, undefined if it is gone. */
  changeDocument(
    known: VersionedPartition,
    change: (document: PartitionDocument) => PartitionDocument | undefined,
  ): Promise<VersionedPartition | undefined>
  /** The document changed by this leader's doing, or is another's by now. */
  documentChanged(document: VersionedPartition): void
}

/** What the partition that is led tells, and is told. */
export interface LedPartition {
  readonly log: string
  readonly epoch: number
  readonly minInSync: () => number
  /** Of its log: flat pairs (epoch, first index). */
  readonly epochs: readonly number[]
  /** The index that the next entry gets. */
  readonly next: () => number
  readonly logStart: () => number
  /** More is committed; `again`: what was refused can be appended again. */
  progressed(again: boolean): void
}

interface Pending {
  readonly index: number
  readonly callback: () => void
  readonly failed: ((error: PortalError) => void) | undefined
}

/** How often a leader looks after its followers (ms), at most. */
const CHECK = 500
/** How long a leader waits for a sign that it is one still (ms). */
const CONFIRMING = 5_000
/** How soon an answer that hangs on the coordination session is tried again (ms). */
const SESSION_CHECK = 50

/**
 * A leader's half of replication: knows how far each follower is, decides what is committed, and keeps the set of those in sync.
 */
export class Leading implements Commitment {
  readonly #host: LeadingHost
  readonly #led: LedPartition
  readonly #recent = new RecentEntries()
  readonly #followers = new Map<string, FollowerProgress>()
  readonly #epochStart: number
  readonly #watchers = new Set<() => void>()
  readonly #listeners = new Set<() => void>()
  #document: VersionedPartition
  /** What `inSync` shall become; it counts, too, until the answer is known. */
  #proposed: readonly ReplicaName[] | undefined
  #durable: number
  #committed: number
  #pending: Pending[] = []
  #closed: PortalError | undefined
  #timer: Timer | undefined
  #refusing = false
  /** How often it wanted to know whether it is followed still. */
  #round = 0

  /** `committed`: below it all is known to be committed. Everything in the log by now is fsynced. */
  constructor(host: LeadingHost, led: LedPartition, document: VersionedPartition, committed: number) {
    this.#host = host
    this.#led = led
    this.#document = document
    this.#durable = led.next()
    this.#epochStart = led.next()
    this.#committed = committed
    const now = host.runtime.clock.monotonic()
    for (const replica of this.#others(document)) this.#followers.set(keyOf(replica), unheardFollower(now))
    this.#schedule()
  }

  get document(): VersionedPartition {
    return this.#document
  }

  get placement(): { readonly replicas: readonly string[]; readonly inSync: readonly string[] } {
    const idsOf = (replicas: readonly ReplicaName[]) => replicas.map(({ broker }) => broker)
    return { replicas: idsOf(this.#document.replicas), inSync: idsOf(this.#document.inSync) }
  }

  get committedIndex(): number {
    return this.#committed
  }

  get entryVersion(): number {
    return this.#host.entryVersion()
  }

  get neededFrom(): number {
    let from = this.#committed
    for (const replica of this.#counting())
      from = Math.min(from, Math.max(0, this.#progress(replica)?.position ?? 0))
    // One that catches up shall not find that what it needs next is gone, for as long as it asks.
    const now = this.#host.runtime.clock.monotonic()
    for (const { position, askedAt } of this.#followers.values()) {
      if (position >= this.#led.logStart() && now - askedAt <= this.#host.lagTime)
        from = Math.min(from, position)
    }
    return from
  }

  /** The index that the next entry gets. */
  get end(): number {
    return this.#led.next()
  }

  /** How far the others are: the index that each asks for next; -1: it was not heard in this epoch. */
  positions(): { readonly broker: string; readonly position: number }[] {
    return this.#others(this.#document).map((replica) => ({
      broker: replica.broker,
      position: this.#progress(replica)?.position ?? -1,
    }))
  }

  cut(group: CommitGroup, next: () => number): Cut {
    return new ReplicatedCut(group, this, next)
  }

  /** Entries were handed to the storage: followers may have them at once. */
  appended(entries: readonly StoredEntry[]): void {
    this.#recent.push(entries)
    this.#ring()
  }

  whenCommitted(index: number, callback: () => void, failed?: (error: PortalError) => void): void {
    if (this.#closed) failed?.(this.#closed)
    else this.#pending.push({ index, callback, failed })
  }

  /** All entries below `index` are fsynced here. */
  durable(index: number): void {
    if (this.#closed) return
    this.#durable = Math.max(this.#durable, index)
    this.#advance()
  }

  refusal(): PortalError | undefined {
    const now = this.#host.runtime.clock.monotonic()
    const { inSync } = this.#document
    const least = Math.min(this.#led.minInSync(), this.#document.replicas.length)
    let live = 0
    for (const replica of inSync) {
      if (isSameReplica(replica, this.#host.self)) live++
      else if (now - (this.#progress(replica)?.askedAt ?? Number.NEGATIVE_INFINITY) <= this.#host.lagTime)
        live++
    }
    this.#refusing = live < least
    if (!this.#refusing) return undefined
    return new PortalError(
      'NOT_ENOUGH_REPLICAS',
      `${live} of the replicas of ${this.#led.log} are in sync and answer, ${least} are needed: nothing is taken until more are back.`,
    )
  }

  slowestClock(own: number): number {
    const now = this.#host.runtime.clock.monotonic()
    let slowest = own
    for (const replica of this.#document.inSync) {
      const progress = this.#progress(replica)
      if (progress && Number.isFinite(progress.clock))
        slowest = Math.min(slowest, progress.clock + (now - progress.askedAt))
    }
    return Math.floor(slowest)
  }

  /**
   * Whoever could lead by now is among those that count, and follows no more: once all of them have heard of a round that begins now, nobody
   * led when it began.
   */
  async confirm(): Promise<void> {
    const { clock, timers } = this.#host.runtime
    const round = ++this.#round
    const until = clock.monotonic() + CONFIRMING
    this.#ring()
    while (!this.#isFollowedSince(round)) {
      if (this.#closed) throw this.#closed
      const left = until - clock.monotonic()
      if (left <= 0) {
        throw new PortalError(
          'NOT_LEADER',
          `Not all replicas of ${this.#led.log} that are in sync have said within ${CONFIRMING / 1_000} seconds that they follow this broker still: look the topic up again.`,
        )
      }
      // Who is in sync, and whether a session holds, may change without a word of followers.
      await sleepUntil<true>(timers, 'confirming', { timeout: Math.min(left, SESSION_CHECK) }, (resolve) =>
        this.onceHeard(() => resolve(true)),
      )
    }
  }

  #isFollowedSince(round: number): boolean {
    if (this.#closed) return false
    const counting = [...this.#counting()]
    if (counting.length === 0) return this.#host.sessionHolds()
    return counting.every((replica) => (this.#progress(replica)?.round ?? -1) >= round)
  }

  close(error: PortalError): void {
    if (this.#closed) return
    this.#closed = error
    this.#timer?.cancel()
    for (const { failed } of this.#pending.splice(0)) failed?.(error)
    this.#ring()
    this.#watchers.clear()
  }

  /** A newer document of the same epoch: the controller took somebody out, or a move goes on. */
  adopt(document: VersionedPartition): void {
    if (document.version <= this.#document.version) return
    this.#document = document
    const now = this.#host.runtime.clock.monotonic()
    for (const replica of this.#others(document))
      if (!this.#followers.has(keyOf(replica))) this.#followers.set(keyOf(replica), unheardFollower(now))
    this.#advance()
  }

  /** Calls back once, when there may be more for followers. Returns what forgets it. */
  onceAppended(callback: () => void): () => void {
    this.#watchers.add(callback)
    return () => this.#watchers.delete(callback)
  }

  /** Answers a follower; undefined: there is nothing for it now. */
  async serve(
    from: Incarnation,
    position: FetchPosition,
    clock: number,
    maxBytes: number,
  ): Promise<Fetched | undefined> {
    const { log, epochs } = this.#led
    if (this.#closed) return { type: 'error', error: this.#closed }
    const end = this.#led.next()
    const replica = this.#others(this.#document).find((other) => isSameReplica(other, from))
    if (!replica || !this.#host.isCurrent(from)) {
      return {
        type: 'error',
        error: new PortalError(
          'NOT_LEADER',
          `${from.broker} with the storage ${from.storage}, life ${from.generation}, is no replica of ${log} now: wait for the controller.`,
        ),
      }
    }
    if (position.next > end || !matches(epochs, end, position))
      return { type: 'diverged', ...epochEnd(epochs, end, position.lastEpoch) }
    // Only here: before its log is known to be the same, a follower's position means nothing (invariant 6).
    this.#heard(replica, position, { clock, generation: from.generation })
    if (position.next < this.#led.logStart()) return { type: 'behind' }
    if (position.next === end) {
      const isNews = position.highWatermark < this.#shown || (position.round ?? this.#round) < this.#round
      return isNews ? this.#entries([]) : undefined
    }
    const recent = this.#recent.from(position.next, maxBytes)
    if (recent) return this.#entries(recent)
    const entries = await this.#read(position.next, end, maxBytes)
    if (entries[0]?.index !== position.next) return { type: 'behind' }
    return this.#entries(dense(entries))
  }

  /**
   * What followers are told: nothing until an entry of this epoch is committed. What this leader knew as a follower may be less than what its
   * predecessor has shown (invariant 7).
   */
  get #shown(): number {
    return this.#committed > this.#epochStart ? this.#committed : 0
  }

  /** Hands leadership over: resolves once the document names `to`. It must have everything by then; nothing is appended meanwhile. */
  async handOver(to: Incarnation): Promise<VersionedPartition | undefined> {
    return this.#host.changeDocument(this.#document, (document) => {
      if (
        document.epoch !== this.#led.epoch ||
        !document.inSync.some((replica) => isSameReplica(replica, to))
      )
        return undefined
      return {
        ...document,
        leader: { broker: to.broker, storage: to.storage },
        epoch: document.epoch + 1,
        incarnation: to.generation,
      }
    })
  }

  isInSync(replica: ReplicaName): boolean {
    return includesReplica(this.#document.inSync, replica)
  }

  /** Calls back once, when a follower has asked. Returns what forgets it. */
  onceHeard(callback: () => void): () => void {
    this.#listeners.add(callback)
    return () => this.#listeners.delete(callback)
  }

  /** Whether this replica has every entry of the log, and all of them are committed. */
  hasEverything(replica: ReplicaName): boolean {
    return (
      (this.#progress(replica)?.position ?? -1) >= this.#led.next() && this.#committed >= this.#led.next()
    )
  }

  async #read(from: number, to: number, maxBytes: number): Promise<StoredEntry[]> {
    const { log } = this.#led
    try {
      return await this.#host.storage.read(log, { from, to, maxBytes })
    } catch (error) {
      throw isPortalError(error, 'CORRUPT') ? this.#host.damaged(log, error) : error
    }
  }

  #entries(entries: readonly StoredEntry[]): Fetched {
    return { type: 'entries', entries, highWatermark: this.#shown, round: this.#round }
  }

  #heard(
    replica: ReplicaName,
    { next, round = this.#round }: FetchPosition,
    sender: { readonly clock: number; readonly generation: number },
  ): void {
    let progress = this.#progress(replica)
    if (!progress) {
      progress = unheardFollower(this.#host.runtime.clock.monotonic())
      this.#followers.set(keyOf(replica), progress)
    }
    const now = this.#host.runtime.clock.monotonic()
    heardFollower(progress, { next, round, ...sender }, this.#led.next(), now)
    this.#advance()
    const listeners = [...this.#listeners]
    this.#listeners.clear()
    for (const listener of listeners) listener()
    if (!includesReplica(this.#document.inSync, replica)) this.#maybeGrow()
    if (this.#refusing && !this.refusal()) this.#led.progressed(true)
  }

  #progress(replica: ReplicaName): FollowerProgress | undefined {
    return this.#followers.get(keyOf(replica))
  }

  /** All that must have an entry before it is committed, besides this leader: in sync by the document, or by what it may be by now. */
  *#counting(): Iterable<ReplicaName> {
    for (const replica of this.#document.inSync) if (!isSameReplica(replica, this.#host.self)) yield replica
    for (const replica of this.#proposed ?? []) {
      if (!isSameReplica(replica, this.#host.self) && !includesReplica(this.#document.inSync, replica))
        yield replica
    }
  }

  #advance(): void {
    if (this.#closed) return
    const counting = [...this.#counting()].map((replica) => this.#progress(replica) ?? NOTHING)
    const committed = highWatermark(this.#committed, this.#durable, counting)
    if (committed === this.#committed && (this.#pending[0]?.index ?? Number.POSITIVE_INFINITY) > committed)
      return
    if (counting.length === 0 && !this.#host.sessionHolds()) return this.#tryLater()
    this.#committed = committed
    const pending = this.#pending
    let done = 0
    while (done < pending.length && pending[done]!.index <= committed) done++
    this.#pending = done === pending.length ? [] : pending.slice(done)
    for (let at = 0; at < done; at++) pending[at]!.callback()
    this.#led.progressed(false)
  }

  /** Alone, and the session may be over: another may lead by now. */
  #tryLater(): void {
    this.#host.runtime.timers.setTimeout(() => this.#advance(), SESSION_CHECK)
  }

  #ring(): void {
    const watchers = [...this.#watchers]
    this.#watchers.clear()
    for (const wake of watchers) wake()
  }

  // Who is in sync ------------------------------------------------------------------------------------------------------

  #schedule(): void {
    if (this.#closed) return
    this.#timer = this.#host.runtime.timers.setTimeout(
      () => {
        this.#maybeShrink()
        this.#maybeGrow()
        this.#schedule()
      },
      Math.min(CHECK, this.#host.lagTime / 4),
    )
  }

  #maybeShrink(): void {
    const now = this.#host.runtime.clock.monotonic()
    const { inSync } = this.#document
    const least = Math.max(1, Math.min(this.#led.minInSync(), this.#document.replicas.length))
    const kept = inSync.filter((replica) => {
      if (isSameReplica(replica, this.#host.self)) return true
      const progress = this.#progress(replica)
      return progress !== undefined && !lags(progress, now, this.#host.lagTime)
    })
    if (kept.length === inSync.length) return
    // Never below the least: those that stay in it are candidates, and nothing is acknowledged without them.
    const candidates = [...inSync].sort(
      (a, b) => Number(this.#host.isReplaced(a)) - Number(this.#host.isReplaced(b)),
    )
    for (const replica of candidates) {
      if (kept.length >= least) break
      if (!includesReplica(kept, replica)) kept.push(replica)
    }
    if (kept.length < inSync.length) this.#propose(inSync.filter((replica) => includesReplica(kept, replica)))
  }

  #maybeGrow(): void {
    const { inSync } = this.#document
    const now = this.#host.runtime.clock.monotonic()
    const joining = this.#others(this.#document).filter((replica) => {
      const progress = this.#progress(replica)
      if (progress === undefined || includesReplica(inSync, replica)) return false
      if (!this.#host.isRegistered({ ...replica, generation: progress.generation })) return false
      return mayJoin(progress, this.#committed, this.#epochStart) && !lags(progress, now, this.#host.lagTime)
    })
    if (joining.length > 0) this.#propose([...inSync, ...joining])
  }

  /** Until its outcome is known, both the old and the new set count. */
  #propose(inSync: readonly ReplicaName[]): void {
    if (this.#proposed !== undefined || this.#closed) return
    this.#proposed = inSync
    void this.#decide(inSync)
  }

  async #decide(inSync: readonly ReplicaName[]): Promise<void> {
    const { epoch } = this.#led
    try {
      const known = this.#document
      const changed = await this.#host.changeDocument(known, (document) => {
        // What another wrote meanwhile is looked at first: it is proposed anew, or not at all.
        if (document.epoch !== epoch || !areSame(document.inSync, known.inSync)) return undefined
        return {
          ...document,
          inSync: inSync.filter((replica) => includesReplica(this.#all(document), replica)),
        }
      })
      if (this.#closed) return
      // What was read is older than what was known: an earlier try may be in force. It counts until something newer says.
      if (changed !== undefined && changed.version <= known.version) return this.#decideLater(inSync)
      this.#proposed = undefined
      if (changed === undefined || changed.epoch !== epoch) {
        if (changed) this.#host.documentChanged(changed)
        return
      }
      this.adopt(changed)
      this.#host.documentChanged(changed)
      this.#advance()
    } catch (error) {
      if (!isPortalError(error)) throw error
      // Unknown: it may be in force. It counts until a later try says.
      this.#decideLater(inSync)
    }
  }

  #decideLater(inSync: readonly ReplicaName[]): void {
    if (this.#closed) return
    this.#host.runtime.timers.setTimeout(() => {
      if (!this.#closed && this.#proposed === inSync) void this.#decide(inSync)
    }, CHECK)
  }

  #all(document: PartitionDocument): ReplicaName[] {
    const extra = (document.target ?? []).filter((replica) => !includesReplica(document.replicas, replica))
    return [...document.replicas, ...extra]
  }

  /** All replicas that are to be, without this one. */
  #others(document: PartitionDocument): ReplicaName[] {
    return this.#all(document).filter((replica) => !isSameReplica(replica, this.#host.self))
  }
}

type Fetched = FetchResult extends infer R
  ? R extends unknown
    ? Omit<R, 'topicId' | 'partition'>
    : never
  : never

const NOTHING = unheardFollower(0)

function keyOf({ broker, storage }: ReplicaName): string {
  return `${broker}/${storage}`
}

function areSame(a: readonly ReplicaName[], b: readonly ReplicaName[]): boolean {
  return a.length === b.length && a.every((replica, at) => isSameReplica(replica, b[at]!))
}

/** The entries up to the first hole. */
function dense(entries: readonly StoredEntry[]): readonly StoredEntry[] {
  const first = entries[0]!.index
  const end = entries.findIndex((entry, at) => entry.index !== first + at)
  return end < 0 ? entries : entries.slice(0, end)
}

/** A cut whose callbacks wait until those in sync have the entries. */
class ReplicatedCut implements Cut {
  readonly #group: CommitGroup
  readonly #leading: Leading
  readonly #next: () => number

  constructor(group: CommitGroup, leading: Leading, next: () => number) {
    this.#group = group
    this.#leading = leading
    this.#next = next
  }

  get isFull(): boolean {
    return this.#group.isFull
  }

  get bytes(): number {
    return this.#group.bytes
  }

  set bytes(bytes: number) {
    this.#group.bytes = bytes
  }

  get durable(): boolean {
    return this.#group.durable
  }

  set durable(durable: boolean) {
    this.#group.durable = durable
  }

  add(write: Write, bytes: number): void {
    this.#group.add(write, bytes)
    if (write.type !== 'append') return
    // Followers fsync every kind of entry, and so does the leader: all of it counts.
    this.#group.durable = true
    this.#leading.appended(write.entries)
    const end = write.entries.at(-1)!.index + 1
    this.#group.onCommitted(() => this.#leading.durable(end))
  }

  onStored(callback: () => void, failed?: (error: PortalError) => void): void {
    this.#group.onCommitted(callback, failed)
  }

  onCommitted(callback: () => void, failed?: (error: PortalError) => void): void {
    this.#leading.whenCommitted(this.#next(), callback, failed)
    // What rests on earlier entries alone may be committed already.
    this.#group.onCommitted(() => this.#leading.durable(0))
  }
}
