import { type ErrorCode, PortalError } from '../../core/errors.js'

/** ZooKeeper's result codes, as far as one means something here. */
export const OK = 0
export const CONNECTION_LOSS = -4
export const UNIMPLEMENTED = -6
export const NO_NODE = -101
export const BAD_VERSION = -103
export const NO_CHILDREN_FOR_EPHEMERALS = -108
export const NODE_EXISTS = -110
export const NOT_EMPTY = -111
export const SESSION_EXPIRED = -112
export const CLOSING = -116

const BAD_ARGUMENTS = -8
const NO_AUTH = -102
export const AUTH_FAILED = -115

/** Codes that say for certain that nothing was done. */
const REFUSALS: ReadonlyMap<number, readonly [code: ErrorCode, why: string]> = new Map([
  [BAD_ARGUMENTS, ['INVALID_ARGUMENT', 'it takes no such argument']],
  [NO_CHILDREN_FOR_EPHEMERALS, ['INVALID_ARGUMENT', 'the node above is ephemeral and has no children']],
  [
    NO_AUTH,
    [
      'FORBIDDEN',
      "the node belongs to another user: give that user's name and password as `auth` (--zookeeper-auth-file)",
    ],
  ],
  [AUTH_FAILED, ['UNAUTHENTICATED', 'it refused the user: check `auth`']],
])

/** The error for a code that the caller has no other answer for. DISCONNECTED where nobody can tell what was done. */
export function failed(what: string, code: number): PortalError {
  const [portal, why] = REFUSALS.get(code) ?? (['DISCONNECTED', 'whether it was done is unknown'] as const)
  return new PortalError(portal, `ZooKeeper did not ${what} (${code}): ${why}.`)
}
