import { checkOptionNames, choiceOption, describe, durationOption, invalid } from '../../core/options.js'

export interface ZooKeeperOptions {
  /**
   * Milliseconds without a sign of life after which ZooKeeper takes a broker for dead, so that others follow it. Shorter: sooner, but a pause
   * of the process or the network may look like death. The server grants 2 to 20 times its tickTime. At least 500. @default 6,000
   */
  readonly sessionTimeout?: number | undefined
  /** Milliseconds in which a session must be had, names resolved and all. @default 10,000 */
  readonly connectTimeout?: number | undefined
  /** Who this is. All that is made is then closed to everybody else. @default nobody: everything is open to all who reach ZooKeeper */
  readonly auth?: ZooKeeperAuth | undefined
  /**
   * Who speaks to ZooKeeper: portal-mq itself ('builtin'), or the package `zookeeper` ('package'), an optional peer that is loaded when the first
   * session is opened. The package aborts the whole process when a connection is cut under load, blocks it for up to 1.5 s at `close()`, runs in the main
   * thread alone, and makes nodes that are open to everybody: together with `auth` it is INVALID_ARGUMENT. @default 'builtin'
   */
  readonly client?: ZooKeeperClientKind | undefined
}

export type ZooKeeperClientKind = 'builtin' | 'package'

export interface ZooKeeperAuth {
  /** `user:password`. ZooKeeper knows a user by both: another password is another user. It goes over the network as it is. */
  readonly digest: string
}

export interface ResolvedZooKeeperOptions {
  readonly sessionTimeout: number
  readonly connectTimeout: number
  readonly digest: string | undefined
  readonly client: ZooKeeperClientKind
}

const MIN_SESSION = 500
/** An integer of 32 bits on the way to the server. */
const MAX_TIMEOUT = 2 ** 31 - 1

/** Throws INVALID_ARGUMENT. */
export function resolveOptions(options: ZooKeeperOptions): ResolvedZooKeeperOptions {
  checkOptionNames('zookeeper()', options, ['sessionTimeout', 'connectTimeout', 'auth', 'client'])
  const { sessionTimeout, connectTimeout, auth } = options
  const digest = auth === undefined ? undefined : resolveAuth(auth)
  const client = choiceOption('client', options.client, 'builtin', ['builtin', 'package'])
  // To close a node after it was made leaves it open in between, and for ever if the connection is lost then: half of what `auth` promises.
  if (client === 'package' && digest !== undefined) {
    throw invalid(
      "'auth' needs the client 'builtin': the package zookeeper makes nodes that are open to everybody. Leave 'client' out.",
    )
  }
  return {
    sessionTimeout: durationOption('sessionTimeout', sessionTimeout, 6_000, {
      min: MIN_SESSION,
      max: MAX_TIMEOUT,
      whole: true,
    }),
    connectTimeout: durationOption('connectTimeout', connectTimeout, 10_000, { min: 1, max: MAX_TIMEOUT }),
    digest,
    client,
  }
}

function resolveAuth(auth: ZooKeeperAuth): string {
  checkOptionNames("The 'auth' of zookeeper()", auth, ['digest'])
  const { digest } = auth
  if (typeof digest !== 'string' || !/^[^:]+:.+$/s.test(digest)) {
    // What was given is not shown: it may be a password.
    throw invalid(
      `'auth.digest' must be 'user:password'; it is ${typeof digest === 'string' ? 'no such text' : describe(digest)}.`,
    )
  }
  return digest
}
