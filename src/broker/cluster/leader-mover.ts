import { type PartitionDocument, paths } from '../../coordination/documents.js'
import { isPortalError } from '../../core/errors.js'
import { type LeaderMove, preferredMoves } from '../../core/placement/preferred-moves.js'
import type { Incarnation } from '../../protocol/peer-service.js'
import type { Clock, Timers } from '../../runtime/runtime.js'
import type { Broadcaster } from './broadcaster.js'
import type { ClusterState } from './cluster-state.js'
import type { ControllerSettings } from './controller-settings.js'
import type { Ending } from './ending.js'
import { every, withTimeout } from './timing.js'

export interface LeaderMoverParts {
  readonly state: ClusterState
  readonly broadcaster: Broadcaster
  readonly clock: Clock
  readonly timers: Timers
  readonly cluster: string
  readonly from: Incarnation
  readonly settings: ControllerSettings
  /** Of the term. */
  readonly over: Ending
  readonly onError: (error: unknown) => void
}

/** How often it looks whether a leader should hand over, in milliseconds. */
const INTERVAL = 1_000

/**
 * Asks leaders to hand over to the preferred replica, or because they are to lose theirs: a few at a time, and only once nobody came or went for a while;
 * at once where the leader takes no messages. Nothing is interrupted: the leader itself writes the new one, when that has everything.
 */
export class LeaderMover {
  readonly #parts: LeaderMoverParts
  readonly #asked = new Set<string>()
  /** By path: until when a partition is left alone, by the monotonic clock. */
  readonly #paused = new Map<string, number>()
  #changedAt: number

  constructor(parts: LeaderMoverParts) {
    this.#parts = parts
    this.#changedAt = parts.clock.monotonic()
  }

  start(): void {
    every(this.#parts.timers, INTERVAL, this.#parts.over, () => this.#look())
  }

  /** Brokers came, changed or went. */
  noteChange(): void {
    this.#changedAt = this.#parts.clock.monotonic()
  }

  #look(): void {
    const { clock, state, settings } = this.#parts
    const now = clock.monotonic()
    const isQuiet = now - this.#changedAt >= settings.stableFor
    for (const [path, end] of this.#paused) if (end <= now) this.#paused.delete(path)
    for (const move of preferredMoves(documentsOf(state), state.view)) {
      if (this.#asked.size >= settings.handOversInFlight) return
      if (!isQuiet && !state.view.get(move.from.broker)?.full) continue
      const path = paths.partition(move.topicId, move.partition)
      if (!this.#asked.has(path) && !this.#paused.has(path)) void this.#ask(path, move)
    }
  }

  async #ask(path: string, { topicId, partition, epoch, from: leader, to }: LeaderMove): Promise<void> {
    const { state, broadcaster, timers, cluster, from, settings, over, clock, onError } = this.#parts
    const outbox = broadcaster.outboxOf(leader.broker)
    const generation = state.view.get(to.broker)?.generation
    if (outbox === undefined || generation === undefined) return
    this.#asked.add(path)
    const { broker, storage } = to
    const request = { cluster, from, topicId, partition, epoch, to: { broker, storage, generation } }
    try {
      await withTimeout(timers, settings.pushTimeout, over, (signal) =>
        outbox.peer.handOver(request, { signal }),
      )
    } catch (error) {
      this.#paused.set(path, clock.monotonic() + settings.handOverPause)
      if (!over.isOver && !isPortalError(error)) onError(error)
    }
    try {
      // The leader reports it too; whichever comes first.
      if (!over.isOver) await state.reread(path)
    } catch {
      this.#paused.set(path, clock.monotonic() + settings.handOverPause)
    }
    this.#asked.delete(path)
  }
}

function* documentsOf(state: ClusterState): Iterable<PartitionDocument> {
  for (const { document } of state.partitions.values()) yield document
}
