import type { ReplicaName } from '../../coordination/documents.js'
import type { VersionedPartition } from '../../coordination/partition-version.js'
import type { StoredEntry } from '../../core/entry.js'
import { PortalError } from '../../core/errors.js'
import { includesReplica, isSameReplica } from '../../core/placement/placed-partition.js'
import type { FollowerProgress } from '../../core/replication.js'
import type { FetchPosition, Incarnation } from '../../protocol/peer-service.js'
import { Bell } from '../bell.js'
import type { CommitGroup } from '../committer.js'
import type { Commitment, Cut } from '../cut.js'
import { Followers } from './followers.js'
import { HighWatermark } from './high-watermark.js'
import { type InSyncHost, InSyncSet } from './in-sync-set.js'
import { ReplicatedCut } from './replicated-cut.js'
import { Rounds } from './rounds.js'
import { type Fetched, type FollowedLog, ServedLog, type ServedLogHost } from './served-log.js'

/** What the leader of a replicated partition needs of its broker. */
export interface LeadingHost extends InSyncHost, ServedLogHost {
  /** Whether it is no earlier life of the replica than the one that is registered. */
  isCurrent(replica: Incarnation): boolean
  /** The version of entries that all who may ever read the log understand. */
  entryVersion(): number
  /** Whether the coordination session certainly lives: a leader that is alone in its in-sync set acknowledges only then. */
  sessionHolds(): boolean
}

/** What the partition that is led tells, and is told. */
export interface LedPartition extends FollowedLog {
  readonly epoch: number
  readonly minInSync: () => number
  /** More is committed; `again`: what was refused can be appended again. */
  progressed(again: boolean): void
}

/** A leader's half of replication: serves followers, and says what is committed and whether anything may be appended. */
export class Leading implements Commitment {
  readonly #host: LeadingHost
  readonly #led: LedPartition
  readonly #epochStart: number
  readonly #followers: Followers
  readonly #inSync: InSyncSet
  readonly #highWatermark: HighWatermark
  readonly #served: ServedLog
  readonly #rounds: Rounds
  readonly #appended = new Bell()
  #closed: PortalError | undefined
  #refusing = false

  /** `committed`: below it all is known to be committed. Everything in the log by now is fsynced. */
  constructor(host: LeadingHost, led: LedPartition, document: VersionedPartition, committed: number) {
    const { clock, timers } = host.runtime
    this.#host = host
    this.#led = led
    this.#epochStart = led.next()
    this.#followers = new Followers(clock)
    this.#served = new ServedLog(host, led)
    const inSync = {
      epoch: led.epoch,
      epochStart: this.#epochStart,
      minInSync: led.minInSync,
      committed: () => this.committedIndex,
      changed: () => this.#highWatermark.advance(),
    }
    this.#inSync = new InSyncSet(host, inSync, this.#followers, document)
    const counting = () => this.#inSync.counting()
    const sessionHolds = () => host.sessionHolds()
    this.#highWatermark = new HighWatermark(
      { timers, counting, sessionHolds, progressed: () => led.progressed(false) },
      { durable: led.next(), committed },
    )
    this.#rounds = new Rounds({
      log: led.log,
      clock,
      timers,
      heard: this.#followers.heard,
      counting,
      sessionHolds,
      closed: () => this.#closed,
      begun: () => this.#appended.ring(),
    })
  }

  get document(): VersionedPartition {
    return this.#inSync.document
  }

  get placement(): { readonly replicas: readonly string[]; readonly inSync: readonly string[] } {
    const idsOf = (replicas: readonly ReplicaName[]) => replicas.map(({ broker }) => broker)
    return { replicas: idsOf(this.document.replicas), inSync: idsOf(this.document.inSync) }
  }

  get committedIndex(): number {
    return this.#highWatermark.committed
  }

  get entryVersion(): number {
    return this.#host.entryVersion()
  }

  get neededFrom(): number {
    let from = this.committedIndex
    for (const { position } of this.#inSync.counting()) from = Math.min(from, Math.max(0, position))
    // One that catches up shall not find that what it needs next is gone, for as long as it asks.
    const since = this.#host.runtime.clock.monotonic() - this.#host.lagTime
    for (const position of this.#followers.positions(since))
      if (position >= this.#led.logStart()) from = Math.min(from, position)
    return from
  }

  /** The index that the next entry gets. */
  get end(): number {
    return this.#led.next()
  }

  /** How far the others are: the index that each asks for next; -1: it was not heard in this epoch. */
  positions(): { readonly broker: string; readonly position: number }[] {
    return this.#inSync.others().map((replica) => ({
      broker: replica.broker,
      position: this.#followers.find(replica)?.position ?? -1,
    }))
  }

  cut(group: CommitGroup, next: () => number): Cut {
    return new ReplicatedCut(group, this, next)
  }

  /** Entries were handed to the storage: followers may have them at once. */
  appended(entries: readonly StoredEntry[]): void {
    this.#served.appended(entries)
    this.#appended.ring()
  }

  whenCommitted(index: number, callback: () => void, failed?: (error: PortalError) => void): void {
    this.#highWatermark.whenCommitted(index, callback, failed)
  }

  /** All entries below `index` are fsynced here. */
  durable(index: number): void {
    this.#highWatermark.durable(index)
  }

  refusal(): PortalError | undefined {
    const { living, least } = this.#inSync
    this.#refusing = living < least
    if (!this.#refusing) return undefined
    return new PortalError(
      'NOT_ENOUGH_REPLICAS',
      `${living} of the replicas of ${this.#led.log} are in sync and answer, ${least} are needed: nothing is taken until more are back.`,
    )
  }

  slowestClock(own: number): number {
    const now = this.#host.runtime.clock.monotonic()
    let slowest = own
    for (const replica of this.document.inSync) {
      const progress = this.#followers.find(replica)
      if (progress && Number.isFinite(progress.clock))
        slowest = Math.min(slowest, progress.clock + (now - progress.askedAt))
    }
    return Math.floor(slowest)
  }

  confirm(): Promise<void> {
    return this.#rounds.confirm()
  }

  close(error: PortalError): void {
    if (this.#closed) return
    this.#closed = error
    this.#inSync.close()
    this.#highWatermark.close(error)
    this.#appended.ring()
  }

  /** A newer document of the same epoch: the controller took somebody out, or a move goes on. */
  adopt(document: VersionedPartition): void {
    this.#inSync.adopt(document)
  }

  /** Calls back once, when there may be more for followers. Returns what forgets it. */
  onceAppended(callback: () => void): () => void {
    return this.#appended.once(callback)
  }

  /** Answers a follower; undefined: there is nothing for it now. */
  async serve(
    from: Incarnation,
    position: FetchPosition,
    clock: number,
    maxBytes: number,
  ): Promise<Fetched | undefined> {
    if (this.#closed) return { type: 'error', error: this.#closed }
    const replica = this.#inSync.others().find((other) => isSameReplica(other, from))
    const progress = replica && this.#followers.find(replica)
    // Of two fetches that one of an earlier life may come late (invariant 2).
    if (!progress || from.generation < progress.generation || !this.#host.isCurrent(from)) {
      return {
        type: 'error',
        error: new PortalError(
          'NOT_LEADER',
          `${from.broker} with the storage ${from.storage}, life ${from.generation}, is no replica of ${this.#led.log} now: wait for the controller.`,
        ),
      }
    }
    const divergence = this.#served.divergence(position)
    if (divergence) return divergence
    const { documentVersion } = progress
    // Only here: before its log is known to be the same, a follower's position means nothing (invariant 6). Nor does it while whoever says it does not
    // know of the document that made it a replica: it has been taken away since, or has yet to hear so, and will remove what it has (invariant 8).
    if ((position.documentVersion ?? documentVersion) >= documentVersion)
      this.#heard(replica, progress, position, { clock, generation: from.generation })
    return this.#served.read(position, maxBytes, () => ({
      highWatermark: this.#shown,
      round: this.#rounds.last,
      documentVersion,
    }))
  }

  /** A follower reads the snapshot of `index`, or messages that belong to it: the entries that come after are kept for it. */
  installs(replica: ReplicaName, index: number): void {
    this.#followers.installs(replica, index)
  }

  /** Hands leadership over: resolves once the document names `to`. It must have everything by then; nothing is appended meanwhile. */
  async handOver(to: Incarnation): Promise<VersionedPartition | undefined> {
    return this.#host.changeDocument(this.document, (document) => {
      if (document.epoch !== this.#led.epoch || !includesReplica(document.inSync, to)) return undefined
      return {
        ...document,
        leader: { broker: to.broker, storage: to.storage },
        epoch: document.epoch + 1,
        incarnation: to.generation,
      }
    })
  }

  isInSync(replica: ReplicaName): boolean {
    return includesReplica(this.document.inSync, replica)
  }

  /** Calls back once, when a follower has asked. Returns what forgets it. */
  onceHeard(callback: () => void): () => void {
    return this.#followers.heard.once(callback)
  }

  /** Whether this replica has every entry of the log, and all of them are committed. */
  hasEverything(replica: ReplicaName): boolean {
    const end = this.#led.next()
    return (this.#followers.find(replica)?.position ?? -1) >= end && this.committedIndex >= end
  }

  /**
   * What followers are told: nothing until an entry of this epoch is committed. What this leader knew as a follower may be less than what its
   * predecessor has shown (invariant 7).
   */
  get #shown(): number {
    return this.committedIndex > this.#epochStart ? this.committedIndex : 0
  }

  #heard(
    replica: ReplicaName,
    progress: FollowerProgress,
    { next, round = this.#rounds.last }: FetchPosition,
    sender: { readonly clock: number; readonly generation: number },
  ): void {
    this.#followers.hear(progress, { next, round, ...sender }, this.#led.next())
    this.#highWatermark.advance()
    this.#followers.heard.ring()
    this.#inSync.heard(replica)
    if (this.#refusing && !this.refusal()) this.#led.progressed(true)
  }
}
