import { PortalError } from '../index.js'
import { zookeeper } from '../zookeeper.js'
import { readLines } from './serve/token-file.js'

export interface ZooKeeperFlags {
  readonly authFile: string | undefined
  readonly sessionTimeout?: number | undefined
}

/** The adapter for `--zookeeper`. Reads the file of ZooKeeper's user. Throws INVALID_ARGUMENT. */
export function zookeeperAt(servers: string, { authFile, sessionTimeout }: ZooKeeperFlags) {
  const digest = authFile === undefined ? undefined : readAuth(authFile)
  return zookeeper(servers, { sessionTimeout, auth: digest === undefined ? undefined : { digest } })
}

/** `user:password` on one line. */
function readAuth(path: string): string {
  const lines = readLines(path)
  if (lines.length === 1 && /^[^:]+:.+$/.test(lines[0]!)) return lines[0]!
  throw new PortalError(
    'INVALID_ARGUMENT',
    `ZooKeeper's user file ${path} must hold one line: user:password. Lines that begin with # do not count.`,
  )
}
