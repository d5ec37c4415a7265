import { createHash, timingSafeEqual } from 'node:crypto'
import type { ServerOptions as TlsOptions } from 'node:https'
import { PortalError } from '../../core/errors.js'
import { checkOptionNames, definedOnly, invalid } from '../../core/options.js'
import type { ResolvedAuth } from './auth.js'
import type { ClientTls } from './client/undici-send.js'
import type { HttpRequest } from './exchange.js'
import { compilePattern } from './rules.js'

/** How the brokers of one cluster know each other. At least one way must be given; where a caller brings both, the secret counts. */
export interface HttpCluster {
  /**
   * What every broker shows to every other: at least 32 visible ASCII characters, the same on all brokers and the token of no client. Of several the
   * first is shown and all are taken, so that it can be changed one broker after the other. @default none
   */
  readonly secret?: string | readonly string[] | undefined
  /**
   * The common names in the client certificates of brokers, as patterns in which `*` stands for any characters. Needs `tls: { ca, requestCert: true }`.
   * Whoever comes with one is a broker, and no client. @default none
   */
  readonly certificates?: readonly string[] | undefined
  /** What to trust, and who to be, when asking other brokers at https: URLs. @default ca, cert and key of `tls` */
  readonly tls?: ClientTls | undefined
}

export interface ResolvedCluster {
  /** Secrets are kept as their hashes; the one to show is handed out for headers, and stands in no field. */
  readonly secrets: readonly Uint8Array[]
  readonly shownSecret: () => string | undefined
  readonly certificates: readonly ((name: string) => boolean)[]
  readonly tls: ClientTls | undefined
}

export const SECRET_HEADER = 'x-portal-mq-cluster'
/** Says that a broker passes on the call of one of its clients. */
export const FORWARDED_HEADER = 'x-portal-mq-forwarded'

const SHORTEST_SECRET = 32

/** Throws INVALID_ARGUMENT; no message ever holds a secret. */
export function resolveCluster(
  cluster: unknown,
  tls: TlsOptions | undefined,
  auth: ResolvedAuth | undefined,
): ResolvedCluster | undefined {
  if (cluster === undefined) return undefined
  // A secret in the place of its options must not be shown.
  if (typeof cluster === 'string') throw invalid("'cluster' must be { secret } or { certificates }.")
  checkOptionNames('cluster', cluster, ['secret', 'certificates', 'tls'])
  const { secret = [], certificates = [], tls: ownTls } = cluster as HttpCluster
  const secrets = typeof secret === 'string' ? [secret] : secret
  if (!Array.isArray(secrets) || !secrets.every(isSecret)) {
    throw invalid(
      `'cluster.secret' must be text of at least ${SHORTEST_SECRET} visible ASCII characters: \`openssl rand -hex 32\` makes one.`,
    )
  }
  if (!Array.isArray(certificates) || !certificates.every(isPattern))
    throw invalid("'cluster.certificates' must be a list of patterns of common names, such as ['mq-*'].")
  const verifies = tls?.requestCert === true && tls.ca !== undefined
  if (certificates.length > 0 && !verifies) {
    throw invalid(
      "'cluster.certificates' needs tls: { ca, requestCert: true, … } with a certificate authority of your own.",
    )
  }
  if (secrets.length === 0 && certificates.length === 0) {
    throw invalid(
      "'cluster' names no way in which brokers know each other: give secret or certificates, or leave 'cluster' out.",
    )
  }
  const hashes = secrets.map(hashOf)
  const isToken = (hash: Uint8Array) => auth?.tokens.some((token) => timingSafeEqual(token.hash, hash))
  if (hashes.some(isToken))
    throw invalid("'cluster.secret' is also a token of 'auth': whoever has that would be a broker.")
  return {
    secrets: hashes,
    shownSecret: () => secrets[0],
    certificates: certificates.map(compilePattern),
    tls: ownTls ?? (tls && clientTlsOf(tls)),
  }
}

/** A broker asks as who it is for those who ask it. */
function clientTlsOf({ ca, cert, key, pfx, passphrase }: TlsOptions): ClientTls {
  return definedOnly({ ca, cert, key, pfx, passphrase }) as ClientTls
}

/**
 * Whether a broker of the cluster asks. Throws UNAUTHENTICATED for a secret that is not its own: a certificate does not make that good.
 */
export function isBroker({ secrets, certificates }: ResolvedCluster, request: HttpRequest): boolean {
  const shown = request.header(SECRET_HEADER)
  if (shown !== undefined) {
    if (secrets.length > 0 && isAmong(secrets, shown)) return true
    throw new PortalError(
      'UNAUTHENTICATED',
      'The secret that was shown is not that of this broker: all brokers of a cluster need the same one.',
    )
  }
  const { certificate } = request.peer
  return typeof certificate === 'string' && certificates.some((matches) => matches(certificate))
}

/** Goes through all of them, whatever it finds, so that time tells nothing. */
function isAmong(secrets: readonly Uint8Array[], shown: string): boolean {
  const hash = hashOf(shown)
  let found = false
  for (const secret of secrets) {
    if (timingSafeEqual(secret, hash)) found = true
  }
  return found
}

function hashOf(secret: string): Uint8Array {
  return createHash('sha256').update(secret).digest()
}

function isSecret(secret: unknown): secret is string {
  return typeof secret === 'string' && /^[\x21-\x7e]+$/.test(secret) && secret.length >= SHORTEST_SECRET
}

function isPattern(pattern: unknown): pattern is string {
  return typeof pattern === 'string' && pattern !== '' && pattern.length <= 256
}
