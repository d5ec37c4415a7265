import type { ReplicaName } from '../../coordination/documents.js'
import { type FollowerProgress, heardFollower, unheardFollower } from '../../core/replication.js'
import type { Clock } from '../../runtime/runtime.js'
import { Bell } from '../bell.js'

/** What a leader knows of each other replica, in its epoch: how far it is, and when it asked. */
export class Followers {
  /** Rings when one of them has asked. */
  readonly heard = new Bell()
  readonly #clock: Clock
  readonly #known = new Map<string, FollowerProgress>()
  /** Those that install a snapshot: where they go on, and when they asked for more of it (monotonic ms). */
  readonly #installing = new Map<string, { readonly position: number; readonly askedAt: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * They are to follow, and nobody else, by the document of this version. Of those that did not `stay` all the while nothing counts that was said
   * before they knew of it: they may have removed what they had. They have the lag time to be heard.
   */
  expect(
    replicas: readonly ReplicaName[],
    version: number,
    stays: (replica: ReplicaName) => boolean = () => true,
  ): void {
    const kept = new Set(replicas.filter(stays).map(keyOf))
    for (const known of [this.#known, this.#installing])
      for (const key of known.keys()) if (!kept.has(key)) known.delete(key)
    const now = this.#clock.monotonic()
    for (const key of replicas.map(keyOf))
      if (!this.#known.has(key)) this.#known.set(key, unheardFollower(now, version))
  }

  find(replica: ReplicaName): FollowerProgress | undefined {
    return this.#known.get(keyOf(replica))
  }

  /** The index that each asks for next: those that have asked since, for entries or for what comes before them. */
  *positions(since: number): Generator<number> {
    for (const { position, askedAt } of [...this.#known.values(), ...this.#installing.values()])
      if (askedAt >= since) yield position
  }

  /** One reads a snapshot, or what belongs to it, and goes on from `index`. */
  installs(replica: ReplicaName, index: number): void {
    const key = keyOf(replica)
    if (this.#known.has(key)) this.#installing.set(key, { position: index, askedAt: this.#clock.monotonic() })
  }

  /** One asks for what comes from `next` on, where the log ends at `end`. */
  hear(progress: FollowerProgress, said: Parameters<typeof heardFollower>[1], end: number): void {
    heardFollower(progress, said, end, this.#clock.monotonic())
  }
}

function keyOf({ broker, storage }: ReplicaName): string {
  return `${broker}/${storage}`
}
