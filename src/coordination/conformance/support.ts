import { equality } from '../../core/conformance.js'
import type { CoordinationStore } from '../coordination.js'

export { ensure, rejection } from '../../core/conformance.js'

/** Opens a session on the tree under test: empty at first; after all sessions were closed, what was kept. */
export type OpenCoordination = () => Promise<CoordinationStore>

/** Resolves once the session of the store is lost, here and for the others. */
export type ExpireSession = (store: CoordinationStore) => Promise<void>

/**
 * Cuts the store off at once, so that it loses answers to calls that are under way or made right after. It comes back by itself. Resolves
 * when it is cut off.
 */
export type InterruptSession = (store: CoordinationStore) => Promise<void>

export interface CoordinationConformanceCase {
  readonly name: string
  /** Rejects if the store does not behave. Give every case a fresh tree, and a time limit: some wait for an event. */
  run(open: OpenCoordination): Promise<void>
}

/** A case that has a session while it runs, and more if it opens them; all are closed in the end. */
export function coordinationCase(
  name: string,
  body: (store: CoordinationStore, open: OpenCoordination) => Promise<void>,
): CoordinationConformanceCase {
  return {
    name,
    async run(open) {
      const stores: CoordinationStore[] = []
      const openOne = async () => {
        const store = await open()
        stores.push(store)
        return store
      }
      try {
        await body(await openOne(), openOne)
      } finally {
        for (const store of stores) await store.close()
      }
    },
  }
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

/** What a node holds, as text; undefined if there is none. */
export async function textAt(store: CoordinationStore, path: string): Promise<string | undefined> {
  const node = await store.read(path)
  return node && new TextDecoder().decode(node.data)
}

/** Counts the calls of a watch, and waits for one more than were seen. */
export function watchEvents(store: CoordinationStore, path: string) {
  let calls = 0
  let seen = 0
  let wake = () => {}
  const stop = store.watch(path, () => {
    calls++
    wake()
  })
  return {
    stop,
    calls: () => calls,
    /** Resolves at the next call since the last `next`, which may have been already. */
    async next(): Promise<void> {
      if (calls === seen) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      seen = calls
    },
  }
}

/** Waits, by a watch, until what is read at `path` is as expected. */
export async function eventually<T>(
  store: CoordinationStore,
  path: string,
  read: (store: CoordinationStore) => Promise<T>,
  isExpected: (value: T) => boolean,
): Promise<void> {
  const events = watchEvents(store, path)
  while (!isExpected(await read(store))) await events.next()
  events.stop()
}

export const equal = equality(show)

function show(value: unknown): string {
  return JSON.stringify(value) ?? 'undefined'
}
