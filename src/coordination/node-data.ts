import { PortalError } from '../core/errors.js'

/** ZooKeeper takes a larger value for a broken network: refused by every store, so that no recipe comes to rely on more. */
export const MAX_NODE_BYTES = 1_000_000

/** A copy of what a node shall hold: nobody who keeps the array they handed in can change the node with it. */
export function nodeData(path: string, data: Uint8Array): Uint8Array {
  if (data.length > MAX_NODE_BYTES) {
    throw new PortalError(
      'INVALID_ARGUMENT',
      `${data.length} bytes are too many for the coordination node ${path}: at most ${MAX_NODE_BYTES}.`,
    )
  }
  return data.slice()
}
