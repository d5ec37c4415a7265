import type { CoordinationAdapter } from './coordination.js'
import { CoordinationTree } from './tree.js'

/**
 * Coordination for a broker that is alone: a tree in memory whose persistent nodes are kept in the broker's own database.
 * Ephemeral nodes are never saved: their session ended with the process.
 */
export function inProcessCoordination(): CoordinationAdapter {
  return async ({ persistence }) => (await CoordinationTree.open(persistence)).connect()
}
