import type { DocumentStore } from '../../coordination/document-store.js'
import { type PartitionDocument, partitionKind } from '../../coordination/documents.js'
import type { Office } from '../../coordination/election.js'
import { checkPartitionChange } from '../../coordination/partition-change.js'
import { isPortalError } from '../../core/errors.js'
import { isLed } from '../../core/placement/members-view.js'
import { nextPlacement } from '../../core/placement/next-placement.js'
import { pause } from '../../runtime/pause.js'
import type { Random, Timers } from '../../runtime/runtime.js'
import type { ClusterState } from './cluster-state.js'
import type { Ending } from './ending.js'
import { nextTry } from './timing.js'

export interface PartitionWriterParts {
  readonly documents: DocumentStore
  readonly state: ClusterState
  readonly office: Office
  /** Of the term. */
  readonly over: Ending
  readonly timers: Timers
  readonly random: Random
  readonly writesInFlight: number
  readonly isGone: (broker: string) => boolean
  readonly onError: (error: unknown) => void
}

export type PartitionChange = (document: PartitionDocument) => PartitionDocument | undefined

/**
 * Looks at partitions whenever something about them changed, and writes what is to be. Those without a leader go first; a partition is
 * looked at by one at a time.
 */
export class PartitionWriter {
  readonly #parts: PartitionWriterParts
  readonly #urgent = new Set<string>()
  readonly #later = new Set<string>()
  readonly #busy = new Set<string>()
  #failures = 0
  #starting = false

  constructor(parts: PartitionWriterParts) {
    this.#parts = parts
  }

  /** To be looked at soon. */
  examine(path: string): void {
    const { state } = this.#parts
    const known = state.partitions.get(path)
    if (known === undefined || this.#decide(known.document) === undefined) return
    const queue = isLed(known.document, state.view) ? this.#later : this.#urgent
    queue.add(path)
    if (this.#starting) return
    this.#starting = true
    // Once everything of this turn is in the queues: what has no leader goes first.
    queueMicrotask(() => this.#startWorkers())
  }

  /** All that name one of these brokers; all, if none are given. */
  examineAll(brokers?: readonly string[]): void {
    for (const [path, { document }] of this.#parts.state.partitions) {
      if (brokers === undefined || brokers.some((broker) => isNamedIn(document, broker))) this.examine(path)
    }
  }

  /**
   * Changes a partition's document at once. Resolves to what is then in force and whether this changed it, or to undefined if there is
   * none. DISCONNECTED if the office is lost.
   */
  async write(path: string, change: PartitionChange) {
    const { documents, state, office } = this.#parts
    const known = state.partitions.get(path)
    const checked = (document: PartitionDocument) => {
      if (office.lost.aborted) throw office.lost.reason
      return checkPartitionChange(document, change(document))
    }
    const result = await documents.change(partitionKind, path, checked, known)
    if (result === undefined) {
      state.forget(path)
      return undefined
    }
    // Somebody else writes too: a leader may, another controller must not be.
    if (known && result.version - known.version > (result.changed ? 1 : 0)) this.#confirmOffice()
    const { document, version } = result
    state.adopt(path, { document, version })
    return result
  }

  #decide(document: PartitionDocument): PartitionDocument | undefined {
    const { state, isGone } = this.#parts
    const topic = state.topicOf(document.topicId)
    if (topic === undefined) return undefined
    return nextPlacement(document, { view: state.view, minInSync: topic.config.minInSync, isGone })
  }

  #startWorkers(): void {
    this.#starting = false
    const { writesInFlight, over } = this.#parts
    for (const queue of [this.#urgent, this.#later]) {
      for (const path of queue) {
        if (over.isOver || this.#busy.size >= writesInFlight) return
        // It is looked at again when it comes free.
        if (this.#busy.has(path)) continue
        queue.delete(path)
        this.#busy.add(path)
        void this.#work(path)
      }
    }
  }

  async #work(path: string): Promise<void> {
    const { over, timers, random, onError } = this.#parts
    try {
      await this.write(path, (document) => this.#decide(document))
      this.#failures = 0
    } catch (error) {
      if (!over.isOver) {
        if (!isPortalError(error, 'DISCONNECTED', 'TIMEOUT')) onError(error)
        this.#urgent.add(path)
        await pause(timers, nextTry(++this.#failures, random), over.signal)
      }
    }
    this.#busy.delete(path)
    this.#startWorkers()
  }

  #confirmOffice(): void {
    void this.#parts.office.confirm().catch(() => {
      // Unknown: the next write that meets another's will ask again.
    })
  }
}

function isNamedIn({ leader, replicas, inSync, target = [] }: PartitionDocument, broker: string): boolean {
  const names = (list: PartitionDocument['replicas']) => list.some((replica) => replica.broker === broker)
  return leader?.broker === broker || names(replicas) || names(inSync) || names(target)
}
