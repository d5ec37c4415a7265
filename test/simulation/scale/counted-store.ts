import type { CoordinationStore } from '../../../src/coordination/coordination.js'
import type { Usage } from './usage.js'

/** A session whose calls are counted. */
export function countedStore(store: CoordinationStore, usage: Usage): CoordinationStore {
  return {
    session: store.session,
    create: (...call) => {
      usage.writes++
      return store.create(...call)
    },
    compareAndSet: (...call) => {
      usage.writes++
      return store.compareAndSet(...call)
    },
    delete: (...call) => {
      usage.writes++
      return store.delete(...call)
    },
    read: (...call) => {
      usage.reads++
      return store.read(...call)
    },
    children: (...call) => {
      usage.reads++
      return store.children(...call)
    },
    watch: (...call) => store.watch(...call),
    close: () => store.close(),
  }
}
