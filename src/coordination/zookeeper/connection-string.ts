import { describe, invalid } from '../../core/options.js'
import { checkPath } from '../paths.js'

export interface ServerAddress {
  readonly host: string
  readonly port: number
}

export interface ConnectionTarget {
  readonly servers: readonly ServerAddress[]
  /** The node below which everything is kept: never "/". */
  readonly root: string
}

const DEFAULT_PORT = 2181
const DEFAULT_ROOT = '/portal-mq'

/** Reads `host:2181,host2:2181/path`. Throws INVALID_ARGUMENT, with what is wrong. */
export function parseConnectionString(text: string): ConnectionTarget {
  if (typeof text !== 'string' || text.trim() === '') throw wrong(text, 'it names no server')
  const slash = text.indexOf('/')
  const hosts = slash < 0 ? text : text.slice(0, slash)
  return {
    servers: hosts.split(',').map((part) => parseServer(text, part.trim())),
    root: slash < 0 ? DEFAULT_ROOT : parseRoot(text, text.slice(slash)),
  }
}

export function serverName({ host, port }: ServerAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

function parseServer(text: string, part: string): ServerAddress {
  const [, bracketed, plain, port] =
    /^(?:\[([0-9a-fA-F:.%]+)\]|([^\s:[\]@]+))(?::(\d{1,5}))?$/.exec(part) ?? []
  const host = bracketed ?? plain
  if (host === undefined) throw wrong(text, `${describe(part)} is no host with a port`)
  const number = port === undefined ? DEFAULT_PORT : Number(port)
  if (number < 1 || number > 65_535) throw wrong(text, `${number} is no port`)
  return { host, port: number }
}

function parseRoot(text: string, path: string): string {
  if (path === '/')
    throw wrong(text, `leave the "/" at its end out, for ${DEFAULT_ROOT}, or name the path of the cluster`)
  try {
    checkPath(path)
  } catch (error) {
    throw wrong(text, (error as Error).message)
  }
  if (path === '/zookeeper' || path.startsWith('/zookeeper/'))
    throw wrong(text, "/zookeeper is ZooKeeper's own")
  return path
}

function wrong(text: unknown, why: string) {
  return invalid(
    `zookeeper() takes servers and the path of the cluster, like 'zk1:2181,zk2:2181/portal-mq', not ${describe(text)}: ${why}.`,
  )
}
