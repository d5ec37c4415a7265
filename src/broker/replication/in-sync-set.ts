import type { PartitionDocument, ReplicaName } from '../../coordination/documents.js'
import type { VersionedPartition } from '../../coordination/partition-version.js'
import { isPortalError } from '../../core/errors.js'
import { includesReplica, isSameReplica } from '../../core/placement/placed-partition.js'
import { type FollowerProgress, lags, mayJoin, unheardFollower } from '../../core/replication.js'
import type { Incarnation } from '../../protocol/peer-service.js'
import type { Runtime, Timer } from '../../runtime/runtime.js'
import type { Followers } from './followers.js'

/** What the keeper of an in-sync set needs of its broker. */
export interface InSyncHost {
  readonly runtime: Runtime
  readonly self: ReplicaName
  /** Milliseconds that a replica may be behind before it no longer counts as in sync. */
  readonly lagTime: number
  /** Whether this is how the replica is registered now, to stay: an earlier life of it counts for nothing (invariant 8). */
  isRegistered(replica: Incarnation): boolean
  /** Whether its broker says that it has no room for messages: it is not waited for when it falls behind. */
  isStalled(replica: ReplicaName): boolean
  /** Whether its broker lives with another database: this one will not come back soon. */
  isReplaced(replica: ReplicaName): boolean
  /**
   * Changes the document by compare-and-set; resolves to what is in force then, undefined if it is gone. `change` is told of which version the
   * document is that it is given.
   */
  changeDocument(
    known: VersionedPartition,
    change: (document: PartitionDocument, version: number) => PartitionDocument | undefined,
  ): Promise<VersionedPartition | undefined>
  /** The document changed by this leader's doing, or is another's by now. */
  documentChanged(document: VersionedPartition): void
}

/** What it needs of the partition that is led. */
export interface InSyncPartition {
  readonly epoch: number
  readonly epochStart: number
  readonly minInSync: () => number
  readonly committed: () => number
  /** Others count from now on. */
  changed(): void
}

/** How often a leader looks after its followers (ms), at most: each partition does, used or not. */
const CHECK = 2_500
/** How soon it tries again to change who is in sync, when it is not known whether that was done (ms). */
const RETRY = 500

/** Keeps the set of those in sync, in the partition's document: takes out who lags and in who has caught up, never below `minInSync`. */
export class InSyncSet {
  readonly #host: InSyncHost
  readonly #led: InSyncPartition
  readonly #followers: Followers
  #document: VersionedPartition
  /** What the set shall become; it counts, too, until the answer is known. */
  #proposed: readonly ReplicaName[] | undefined
  #timer: Timer | undefined
  #closed = false

  constructor(host: InSyncHost, led: InSyncPartition, followers: Followers, document: VersionedPartition) {
    this.#host = host
    this.#led = led
    this.#followers = followers
    this.#document = document
    followers.expect(this.others(), document.version)
    this.#schedule()
  }

  get document(): VersionedPartition {
    return this.#document
  }

  /** All replicas that are to be, without this one. */
  others(): ReplicaName[] {
    return allOf(this.#document).filter((replica) => !isSameReplica(replica, this.#host.self))
  }

  /** The least that must be in sync for anything to be appended. */
  get least(): number {
    return Math.min(this.#led.minInSync(), this.#document.replicas.length)
  }

  /** How many are in sync, have asked within the lag time and take what comes, this one included. */
  get living(): number {
    const now = this.#host.runtime.clock.monotonic()
    let living = 0
    for (const replica of this.#document.inSync) {
      const progress = this.#followers.find(replica)
      const answers = progress && now - progress.askedAt <= this.#host.lagTime
      if (isSameReplica(replica, this.#host.self) || (answers && !this.#isStuck(replica, progress, now)))
        living++
    }
    return living
  }

  /** All that must have an entry before it is committed, besides this leader: in sync by the document, or by what it may be by now. */
  counting(): FollowerProgress[] {
    const { self } = this.#host
    const { inSync } = this.#document
    const also = (this.#proposed ?? []).filter((replica) => !includesReplica(inSync, replica))
    return [...inSync, ...also]
      .filter((replica) => !isSameReplica(replica, self))
      .map((replica) => this.#followers.find(replica) ?? NOTHING)
  }

  /** A newer document of the same epoch: the controller took somebody out, or a move goes on. */
  adopt(document: VersionedPartition): void {
    if (document.version <= this.#document.version) return
    const before = this.#document
    // Of what was between them nothing is known: but in sync is only whom this leader has let in.
    const isNext = document.version === before.version + 1
    const stays = (replica: ReplicaName) =>
      includesReplica(allOf(before), replica) && (isNext || includesReplica(document.inSync, replica))
    this.#document = document
    this.#followers.expect(this.others(), document.version, stays)
    this.#led.changed()
  }

  /** One has asked: it may join. */
  heard(replica: ReplicaName): void {
    if (!includesReplica(this.#document.inSync, replica)) this.#maybeGrow()
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  #schedule(): void {
    if (this.#closed) return
    this.#timer = this.#host.runtime.timers.setTimeout(
      () => {
        this.#look()
        this.#schedule()
      },
      Math.min(CHECK, this.#host.lagTime / 4),
    )
  }

  #look(): void {
    this.#maybeShrink()
    this.#maybeGrow()
  }

  #maybeShrink(): void {
    const { lagTime, runtime } = this.#host
    const now = runtime.clock.monotonic()
    const { inSync } = this.#document
    const least = Math.max(1, this.least)
    const kept = inSync.filter((replica) => {
      if (isSameReplica(replica, this.#host.self)) return true
      const progress = this.#followers.find(replica)
      return progress !== undefined && !this.#isStuck(replica, progress, now) && !lags(progress, now, lagTime)
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

  /** Whether it is behind, and will be: it need not be waited for. One that has all asks again within a quarter of the lag time. */
  #isStuck(replica: ReplicaName, progress: FollowerProgress, now: number): boolean {
    return this.#host.isStalled(replica) && lags(progress, now, this.#host.lagTime / 2)
  }

  #maybeGrow(): void {
    const { inSync } = this.#document
    const { epochStart, committed } = this.#led
    const now = this.#host.runtime.clock.monotonic()
    const joining = this.others().filter((replica) => {
      const progress = this.#followers.find(replica)
      if (progress === undefined || includesReplica(inSync, replica)) return false
      if (!this.#host.isRegistered({ ...replica, generation: progress.generation })) return false
      return mayJoin(progress, committed(), epochStart) && !lags(progress, now, this.#host.lagTime)
    })
    if (joining.length > 0) this.#propose([...inSync, ...joining])
  }

  /** Until its outcome is known, both the old and the new set count. */
  #propose(inSync: readonly ReplicaName[]): void {
    if (this.#proposed !== undefined || this.#closed) return
    this.#proposed = inSync
    void this.#decide(this.#document, inSync)
  }

  async #decide(known: VersionedPartition, inSync: readonly ReplicaName[]): Promise<void> {
    const { epoch } = this.#led
    try {
      // What another wrote meanwhile is looked at first: whoever was to join may have been taken away and given back. It is proposed anew, or
      // not at all.
      const changed = await this.#host.changeDocument(known, (document, version) =>
        version === known.version ? { ...document, inSync } : undefined,
      )
      if (this.#closed) return
      // What was read is no newer than what was known: an earlier try may be in force. It counts until something newer says.
      if (changed !== undefined && changed.version <= known.version) return this.#decideLater(known, inSync)
      this.#proposed = undefined
      if (changed === undefined || changed.epoch !== epoch) {
        if (changed) this.#host.documentChanged(changed)
        return
      }
      this.adopt(changed)
      this.#host.documentChanged(changed)
      this.#led.changed()
      if (!areSame(changed.inSync, inSync)) this.#look()
    } catch (error) {
      if (!isPortalError(error)) throw error
      // Unknown: it may be in force. It counts until a later try says.
      this.#decideLater(known, inSync)
    }
  }

  #decideLater(known: VersionedPartition, inSync: readonly ReplicaName[]): void {
    if (this.#closed) return
    this.#host.runtime.timers.setTimeout(() => {
      if (!this.#closed && this.#proposed === inSync) void this.#decide(known, inSync)
    }, RETRY)
  }
}

const NOTHING = unheardFollower(0, 0)

function allOf({ replicas, target = [] }: PartitionDocument): ReplicaName[] {
  return [...replicas, ...target.filter((replica) => !includesReplica(replicas, replica))]
}

function areSame(a: readonly ReplicaName[], b: readonly ReplicaName[]): boolean {
  return a.length === b.length && a.every((replica, at) => isSameReplica(replica, b[at]!))
}
