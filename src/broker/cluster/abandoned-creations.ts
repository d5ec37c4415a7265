import type { CoordinationStore } from '../../coordination/coordination.js'
import { paths } from '../../coordination/documents.js'
import type { Metadata } from '../../coordination/metadata.js'
import { Refresher } from '../../coordination/refresher.js'
import type { Clock, Random, Timers } from '../../runtime/runtime.js'
import type { Ending } from './ending.js'
import { every } from './timing.js'

export interface AbandonedCreationsParts {
  readonly store: CoordinationStore
  readonly metadata: Metadata
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  /** Milliseconds after which the maker of a topic counts as dead. */
  readonly grace: number
  readonly over: Ending
  readonly onError: (error: unknown) => void
}

/**
 * Ends creations of topics whose makers died. A creation is abandoned when this controller has seen it for long enough by its own monotonic clock: the
 * maker's wall clock says nothing. A maker that lives after all finds out, and fails.
 */
export function endAbandonedCreations(parts: AbandonedCreationsParts): void {
  const { store, metadata, clock, timers, grace, over } = parts
  const seen = new Map<string, number>()
  const refresher = new Refresher({
    ...parts,
    work: async () => {
      const present = new Set(await store.children(paths.creations))
      for (const id of [...seen.keys()]) if (!present.has(id)) seen.delete(id)
      const now = clock.monotonic()
      for (const id of present) if (!seen.has(id)) seen.set(id, now)
      const old = new Set([...seen].flatMap(([id, since]) => (now - since >= grace ? id : [])))
      if (old.size === 0) return
      await metadata.resumeCreations(Math.floor(clock.now()), ({ topicId }) => old.has(topicId))
    },
  })
  over.onEnd(() => refresher.stop())
  every(timers, grace / 2, over, () => refresher.request())
  refresher.request()
}
