import { type PartitionDocument, paths } from '../../coordination/documents.js'
import type { Office } from '../../coordination/election.js'
import { Refresher } from '../../coordination/refresher.js'
import { finishMove } from '../../core/placement/finish-move.js'
import { isAlive } from '../../core/placement/members-view.js'
import type { Move } from '../../core/placement/move-board.js'
import { completionPlan, drainPlan, rebalancePlan } from '../../core/placement/move-plans.js'
import { includesReplica, isSameReplica } from '../../core/placement/placed-partition.js'
import type { Random, Timers } from '../../runtime/runtime.js'
import type { ClusterState } from './cluster-state.js'
import type { PartitionWriter } from './partition-writer.js'

export interface MoverParts {
  readonly state: ClusterState
  readonly writer: PartitionWriter
  readonly office: Office
  readonly timers: Timers
  readonly random: Random
  readonly movesInFlight: number
  readonly onError: (error: unknown) => void
}

/**
 * Begins moves, a bounded number at a time: off drained brokers, to partitions that lack replicas, and for a rebalance that was asked for. The plan
 * is always made anew from the documents: a move that is begun is in its partition's, a drain in the broker's, a rebalance in the controller's. So
 * the next controller goes on where this one stops.
 */
export class Mover {
  readonly #parts: MoverParts
  readonly #refresher: Refresher
  #plan: Move[] = []
  #outdated = true
  /** How many are being written. */
  #beginning = 0

  constructor(parts: MoverParts) {
    this.#parts = parts
    this.#refresher = new Refresher({ ...parts, work: () => this.#work() })
  }

  /** Brokers, topics or what was asked for have changed: the plan is another. */
  replan(): void {
    this.#outdated = true
    this.#refresher.request()
  }

  /** A move has begun or ended: there may be room for another. */
  goOn(): void {
    this.#refresher.request()
  }

  stop(): void {
    this.#refresher.stop()
  }

  /** How many partitions are to move, those that do already included. */
  remaining(): number {
    if (this.#outdated) this.#makePlan()
    return this.#plan.length + this.#beginning + this.#parts.state.moving.size
  }

  async #work(): Promise<void> {
    const { state, office, movesInFlight } = this.#parts
    for (;;) {
      if (this.#outdated) this.#makePlan()
      const room = movesInFlight - state.moving.size
      if (this.#plan.length > 0) {
        if (room <= 0) return
        await Promise.all(this.#plan.splice(0, room).map((move) => this.#begin(move)))
        continue
      }
      if (state.moving.size > 0) return
      // What was planned is done. What came meanwhile, or had to wait for that, is in the next plan.
      this.#makePlan()
      if (this.#plan.length > 0) continue
      if (office.rebalancing) await office.setRebalancing(false)
      return
    }
  }

  #makePlan(): void {
    const { state, office } = this.#parts
    this.#outdated = false
    const partitions = [...state.partitions.values()].flatMap(({ document }) => {
      return state.topicOf(document.topicId) ? [document] : []
    })
    const drained = [...state.brokers.known].flatMap(([broker, { document }]) =>
      document.drained ? broker : [],
    )
    const wanted = (topicId: string) => state.topicOf(topicId)?.config.replicas ?? 0
    // First what is in danger; a drain of what is not complete could leave fewer in sync than must be.
    this.#plan = completionPlan(partitions, state.view, wanted)
    if (this.#plan.length === 0) this.#plan = drainPlan(partitions, state.view, new Set(drained))
    if (this.#plan.length === 0 && office.rebalancing) this.#plan = rebalancePlan(partitions, state.view)
  }

  async #begin({ topicId, partition, target }: Move): Promise<void> {
    const { state, writer } = this.#parts
    const path = paths.partition(topicId, partition)
    const planned = state.partitions.get(path)?.document
    this.#beginning++
    const write = writer.write(path, (document) => {
      const stands = document.target === undefined && planned && hasSameReplicas(document, planned)
      const added = target.filter((replica) => !includesReplica(document.replicas, replica))
      if (!stands || !added.every((replica) => isAlive(replica, state.view))) return undefined
      const moving = { ...document, target }
      // Only another order of the same replicas: done at once.
      return finishMove(moving, state.topicOf(topicId)?.config.minInSync ?? 1) ?? moving
    })
    try {
      const result = await write
      if (!result?.changed) this.#outdated = true
    } catch (error) {
      this.#outdated = true
      throw error
    } finally {
      this.#beginning--
    }
  }
}

function hasSameReplicas(a: PartitionDocument, b: PartitionDocument): boolean {
  const { replicas } = a
  return (
    replicas.length === b.replicas.length &&
    replicas.every((it, at) => isSameReplica(it, b.replicas[at] ?? null))
  )
}
