import type { DocumentStore } from '../../coordination/document-store.js'
import { paths } from '../../coordination/documents.js'
import { Refresher } from '../../coordination/refresher.js'
import { removeTopic } from '../../coordination/topic-removal.js'
import type { Random, Timers } from '../../runtime/runtime.js'
import type { Broadcaster } from './broadcaster.js'
import type { ClusterState } from './cluster-state.js'
import type { Ending } from './ending.js'
import { every } from './timing.js'

export interface BurialParts {
  readonly documents: DocumentStore
  readonly state: ClusterState
  readonly broadcaster: Broadcaster
  readonly timers: Timers
  readonly random: Random
  readonly over: Ending
  readonly onError: (error: unknown) => void
}

/** How often brokers that still hold something are told again, in milliseconds. */
const INTERVAL = 5_000

/**
 * Ends deletions: removes what their maker may have left, tells brokers of the tombstones, and forgets one only when every broker that ever was
 * has said that it holds nothing of the topic any more (invariant 11). One that is away keeps it standing.
 */
export class Burial {
  readonly #parts: BurialParts
  readonly #refresher: Refresher
  /** By topic id: the brokers, each with its database, that hold nothing. */
  readonly #clear = new Map<string, Map<string, string>>()
  /** Topic ids of which no document is left. */
  readonly #removed = new Set<string>()

  constructor(parts: BurialParts) {
    this.#parts = parts
    this.#refresher = new Refresher({ ...parts, work: () => this.#work() })
  }

  start(): void {
    const { timers, over } = this.#parts
    over.onEnd(() => this.#refresher.stop())
    every(timers, INTERVAL, over, () => this.#remind())
    this.#refresher.request()
  }

  /** Tombstones came or went. */
  change(topicIds: readonly string[]): void {
    const { state, broadcaster } = this.#parts
    for (const id of topicIds) {
      const tombstone = state.tombstones.known.get(id)
      if (tombstone) broadcaster.push(paths.tombstone(id), tombstone)
      else {
        broadcaster.pushRemoval(paths.tombstone(id), 0)
        this.#clear.delete(id)
        this.#removed.delete(id)
      }
    }
    this.#refresher.request()
  }

  /** Brokers were registered, or forgotten by an administrator. */
  brokersChanged(): void {
    this.#refresher.request()
  }

  /** A broker holds nothing of these topics. */
  noteClear({ broker, storage }: { broker: string; storage: string }, topicIds: readonly string[]): void {
    for (const id of topicIds) {
      const clear = this.#clear.get(id) ?? new Map<string, string>()
      this.#clear.set(id, clear.set(broker, storage))
    }
    if (topicIds.length > 0) this.#refresher.request()
  }

  async #work(): Promise<void> {
    const { state, documents } = this.#parts
    for (const [id, { document }] of [...state.tombstones.known]) {
      if (!this.#removed.has(id)) {
        await removeTopic(documents, document)
        this.#removed.add(id)
      }
      if (this.#holders(id).length === 0) await documents.remove(paths.tombstone(id))
    }
  }

  #holders(topicId: string): string[] {
    const clear = this.#clear.get(topicId)
    const { brokers } = this.#parts.state
    return [...brokers.known.keys()].filter((broker) => {
      return clear?.get(broker) !== brokers.known.get(broker)?.document.storage
    })
  }

  #remind(): void {
    const { state, broadcaster } = this.#parts
    for (const [id, tombstone] of state.tombstones.known) {
      for (const broker of this.#holders(id)) broadcaster.pushTo(broker, paths.tombstone(id), tombstone)
    }
  }
}
