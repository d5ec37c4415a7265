import { createHash, timingSafeEqual } from 'node:crypto'
import { PortalError } from '../../core/errors.js'
import { booleanOption, checkOptionNames, describe, invalid } from '../../core/options.js'
import type { Logger } from '../../protocol/connection.js'
import type { HttpRequest } from './exchange.js'
import { type HttpRule, type ResolvedRule, resolveRules } from './rules.js'

/** Who may come in, and what each may do. At least one way to say who one is must be given. */
export interface HttpAuth {
  /** Known tokens, of at least 16 characters. Callers send `Authorization: Bearer <token>`. @default none */
  readonly tokens?: readonly HttpToken[] | undefined
  /** Asked for tokens that are not in `tokens`: the principal they stand for, or undefined. @default none */
  readonly authenticate?: ((token: string) => string | undefined | Promise<string | undefined>) | undefined
  /**
   * Whether the common name of a client certificate is a principal. Needs `tls.ca`, which must be a certificate authority of your own:
   * whoever has a certificate of it comes in. @default true with `tls.ca` and `tls.requestCert`, else false
   */
  readonly clientCertificates?: boolean | undefined
  /** With rules, nobody may do what none of them allows. @default none: whoever comes in may do everything */
  readonly rules?: readonly HttpRule[] | undefined
}

export interface HttpToken {
  readonly token: string
  /** Who has it: for rules, quotas and logs. */
  readonly principal: string
}

export interface ResolvedAuth {
  /** Tokens are kept as their hashes only. */
  readonly tokens: readonly { readonly hash: Uint8Array; readonly principal: string }[]
  readonly authenticate: ((token: string) => unknown) | undefined
  readonly clientCertificates: boolean
  readonly rules: readonly ResolvedRule[] | undefined
}

const SHORTEST_TOKEN = 16
const LONGEST_PRINCIPAL = 256

/** Throws INVALID_ARGUMENT; no message ever holds a token. `certificates`: whether the server verifies those of clients. */
export function resolveAuth(auth: unknown, certificates = false): ResolvedAuth | undefined {
  if (auth === undefined) return undefined
  checkOptionNames('auth', auth, ['tokens', 'authenticate', 'clientCertificates', 'rules'])
  const { tokens = [], authenticate, clientCertificates, rules } = auth as HttpAuth
  if (!Array.isArray(tokens))
    throw invalid(`'auth.tokens' must be a list of { token, principal }; it is of type ${typeof tokens}.`)
  if (authenticate !== undefined && typeof authenticate !== 'function')
    throw invalid("'auth.authenticate' must be a function from a token to its principal or undefined.")
  const byCertificate = booleanOption('auth.clientCertificates', clientCertificates, certificates)
  if (byCertificate && !certificates) {
    throw invalid(
      "'auth.clientCertificates' needs tls: { ca, requestCert: true, … } with a certificate authority of your own.",
    )
  }
  if (tokens.length === 0 && authenticate === undefined && !byCertificate) {
    throw invalid(
      "'auth' names no way to come in: give tokens, authenticate or clientCertificates, or leave 'auth' out.",
    )
  }
  return {
    tokens: tokens.map(resolveToken),
    authenticate,
    clientCertificates: byCertificate,
    rules: resolveRules(rules),
  }
}

function resolveToken(entry: unknown, at: number): ResolvedAuth['tokens'][number] {
  const where = `auth.tokens[${at}]`
  // A token in the place of its entry must not be shown.
  if (typeof entry !== 'object' || entry === null) throw invalid(`'${where}' must be { token, principal }.`)
  checkOptionNames(where, entry, ['token', 'principal'])
  const { token, principal } = entry as HttpToken
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token) || token.length < SHORTEST_TOKEN) {
    throw invalid(
      `'${where}.token' must be text of at least ${SHORTEST_TOKEN} visible ASCII characters: \`openssl rand -hex 32\` makes one.`,
    )
  }
  if (!isPrincipal(principal)) {
    throw invalid(
      `'${where}.principal' must be a name of 1 to ${LONGEST_PRINCIPAL} characters; it is ${describe(principal)}.`,
    )
  }
  return { hash: hashOf(token), principal }
}

/** Who asks. Rejects with UNAUTHENTICATED, or DISCONNECTED when `authenticate` itself fails. */
export async function identify(auth: ResolvedAuth, request: HttpRequest, logger: Logger): Promise<string> {
  const header = request.header('authorization')
  // A token that is wrong is not made good by a certificate.
  if (header !== undefined) return byToken(auth, header, logger)
  const { certificate } = request.peer
  if (auth.clientCertificates && isPrincipal(certificate)) return certificate
  const ways = auth.clientCertificates ? 'a client certificate or a bearer token' : 'a bearer token'
  throw unauthenticated(`This broker wants ${ways}. With curl: -H 'authorization: Bearer …'.`)
}

async function byToken(auth: ResolvedAuth, header: string, logger: Logger): Promise<string> {
  const token = /^bearer +([\x21-\x7e]+) *$/i.exec(header)?.[1]
  if (token === undefined)
    throw unauthenticated('The authorization header must read: Bearer, a space, and the token.')
  const principal = findToken(auth, token) ?? (await ask(auth, token, logger))
  if (isPrincipal(principal)) return principal
  throw unauthenticated('The token is not known here.')
}

/** Goes through all of them, whatever it finds, so that time tells nothing. */
function findToken({ tokens }: ResolvedAuth, token: string): string | undefined {
  const hash = hashOf(token)
  let found: string | undefined
  for (const one of tokens) {
    if (timingSafeEqual(one.hash, hash)) found = one.principal
  }
  return found
}

async function ask({ authenticate }: ResolvedAuth, token: string, logger: Logger): Promise<unknown> {
  if (authenticate === undefined) return undefined
  try {
    return await authenticate(token)
  } catch (error) {
    const { name, message } = error instanceof Error ? error : { name: 'Error', message: String(error) }
    const shown = message.replaceAll(token, '[token]')
    logger.error(
      { err: { name, message: shown } },
      `auth.authenticate failed, its caller was refused: ${shown}`,
    )
    throw new PortalError(
      'DISCONNECTED',
      'Whose token this is cannot be found out just now; nothing was done. Try again.',
    )
  }
}

function isPrincipal(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= LONGEST_PRINCIPAL
}

function hashOf(token: string): Uint8Array {
  return createHash('sha256').update(token).digest()
}

function unauthenticated(message: string): PortalError<'UNAUTHENTICATED'> {
  return new PortalError('UNAUTHENTICATED', message)
}
