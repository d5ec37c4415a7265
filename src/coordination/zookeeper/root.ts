import { parentPath } from '../paths.js'
import type { ZooKeeperClient } from './client.js'
import { BAD_VERSION, failed, NODE_EXISTS, OK } from './codes.js'

const NO_DATA = new Uint8Array(0)

/**
 * Makes the node below which a cluster keeps all its own, if it is missing, and sees that it can be used. With `isProtected` it is closed to
 * other users, also if it was made before and left open. Those above it, if they are missing, stay open: other clusters have their roots there, too.
 */
export async function prepareRoot(
  client: ZooKeeperClient,
  root: string,
  isProtected: boolean,
): Promise<void> {
  if ((await client.get(root)).code !== OK) {
    for (const path of [...above(root), root]) {
      const { code } = await client.create(path, NO_DATA, { open: path !== root })
      if (code !== OK && code !== NODE_EXISTS) throw failed(`make the node ${path}`, code)
    }
  }
  if (isProtected) {
    const { code } = await client.protect(root)
    const isDone = code === OK || code === BAD_VERSION
    // Whoever made it may have kept the right to change that for themselves: what counts is that it can be used.
    if (!isDone && failed('', code).code !== 'FORBIDDEN')
      throw failed(`close the node ${root} to other users`, code)
  }
  const { code } = await client.children(root)
  if (code !== OK) throw failed(`show the node ${root}`, code)
}

/** From the highest down. */
function above(path: string): string[] {
  const parent = parentPath(path)
  return parent === '/' ? [] : [...above(parent), parent]
}
