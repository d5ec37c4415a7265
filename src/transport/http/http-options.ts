import type { ServerOptions as TlsOptions } from 'node:https'
import { isIP } from 'node:net'
import { createSecureContext } from 'node:tls'
import { PortalError } from '../../core/errors.js'
import { booleanOption, checkOptionNames, describe, invalid, numberOption } from '../../core/options.js'
import type { Logger } from '../../protocol/connection.js'
import { type HttpAuth, type ResolvedAuth, resolveAuth } from './auth.js'
import { type HttpCluster, type ResolvedCluster, resolveCluster } from './cluster.js'
import { type HttpCors, type ResolvedCors, resolveCors } from './cors.js'
import { type HttpLimits, type ResolvedLimits, resolveLimits } from './limits.js'

export interface HttpOptions {
  /** 0: any that is free; `broker.url` says which. 0 to 65,535. */
  readonly port: number
  /** The address to listen at. Any but a loopback address needs `tls` and `auth`, or `insecure`. @default '127.0.0.1' */
  readonly host?: string | undefined
  /** The URL under which others reach it. @default made of host and port */
  readonly advertise?: string | undefined
  /** Certificate and key, and whatever else `https.createServer` takes. @default none: plain HTTP */
  readonly tls?: TlsOptions | undefined
  /** Who may come in, and what each may do. @default none: whoever can connect may do everything */
  readonly auth?: HttpAuth | undefined
  /** How the brokers of a cluster know each other. Needed for one beyond this machine, or with `auth`. @default none */
  readonly cluster?: HttpCluster | undefined
  /** Whether to listen beyond this machine without `tls` or `auth`: anybody there may read and do everything. @default false */
  readonly insecure?: boolean | undefined
  /** Which web pages may call the broker from a browser. @default none but its own */
  readonly cors?: HttpCors | undefined
  /** What one caller, and all together, may take of the server. @default limits that protect */
  readonly limits?: HttpLimits | undefined
  /** Requests that fail in unforeseen ways. @default console, errors only */
  readonly logger?: Logger | undefined
}

export interface ResolvedHttpOptions {
  readonly port: number
  readonly host: string
  readonly advertise: string | undefined
  readonly tls: TlsOptions | undefined
  readonly auth: ResolvedAuth | undefined
  readonly cluster: ResolvedCluster | undefined
  /** Whether secrets and messages may go over networks as plain text. */
  readonly insecure: boolean
  readonly cors: ResolvedCors | undefined
  readonly limits: ResolvedLimits
  readonly logger: Logger
  /** Nothing but the loopback address keeps strangers out. */
  readonly onlyLoopbackProtects: boolean
}

const NAMES = [
  'port',
  'host',
  'advertise',
  'tls',
  'auth',
  'cluster',
  'insecure',
  'cors',
  'limits',
  'logger',
] as const satisfies readonly (keyof HttpOptions)[]

/** Throws INVALID_ARGUMENT, before anything listens. No message holds a secret. */
export function resolveHttpOptions(options: HttpOptions): ResolvedHttpOptions {
  checkOptionNames('http', options, NAMES)
  if (options.port === undefined) throw invalid("http needs a 'port': http({ port: 5000 }), or 0 for any.")
  const port = numberOption('port', options.port, 0, { min: 0, max: 65_535 })
  const host = checkHost(options.host)
  const insecure = booleanOption('insecure', options.insecure, false)
  const verifiesClients = options.tls?.requestCert === true && options.tls.ca !== undefined
  const auth = resolveAuth(options.auth, verifiesClients)
  const tls = checkTls(options.tls, auth)
  if (!insecure && !isLoopback(host)) refuseExposure(host, tls !== undefined, auth !== undefined)
  return {
    port,
    host,
    advertise: checkAdvertise(options.advertise),
    tls,
    auth,
    cluster: resolveCluster(options.cluster, tls, auth),
    insecure,
    cors: resolveCors(options.cors),
    limits: resolveLimits(options.limits),
    logger: checkLogger(options.logger),
    onlyLoopbackProtects: auth === undefined && !insecure,
  }
}

function refuseExposure(host: string, hasTls: boolean, hasAuth: boolean): void {
  const missing = [
    hasTls ? [] : ['tls: { cert, key }'],
    hasAuth ? [] : ['auth: { tokens: [{ token, principal }] }'],
  ]
  const wanted = missing.flat().join(' and ')
  if (wanted === '') return
  throw invalid(
    `Listening at ${host} lets others in: give ${wanted}. Behind a proxy that has both, or to let everybody in, say insecure: true.`,
  )
}

/** Throws INVALID_ARGUMENT where whoever asks could pass for a broker, from which nothing is kept. */
export function refuseOpenPeers({ host, auth, cluster, insecure }: ResolvedHttpOptions): void {
  if (cluster !== undefined) return
  if (auth === undefined && (insecure || isLoopback(host))) return
  const why =
    auth === undefined ? `at ${host} others can ask, too` : "'auth' would not hold for who passes for one"
  throw invalid(
    `The brokers of a cluster must know each other: ${why}. Give cluster: { secret }, the same on all brokers (--cluster-secret-file).`,
  )
}

/** Whether only this machine can reach it. Names other than localhost may lead anywhere. */
export function isLoopback(host: string): boolean {
  if (isIP(host) === 4) return host.startsWith('127.')
  return host === 'localhost' || host === '::1' || /^::ffff:127\.\d+\.\d+\.\d+$/i.test(host)
}

function checkHost(host: unknown): string {
  if (host === undefined) return '127.0.0.1'
  if (typeof host === 'string' && (isIP(host) !== 0 || /^[A-Za-z0-9]([A-Za-z0-9._-]{0,252})$/.test(host)))
    return host
  throw invalid(
    `'host' must be an address or a name of this machine, such as '0.0.0.0' or '::1'; it is ${describe(host)}.`,
  )
}

function checkAdvertise(advertise: unknown): string | undefined {
  if (advertise === undefined) return undefined
  if (typeof advertise !== 'string' || !URL.canParse(advertise))
    throw invalid(`'advertise' must be a URL, such as 'https://mq1:5000'; it is ${describe(advertise)}.`)
  const { protocol, username, password, search, hash } = new URL(advertise)
  if (protocol !== 'http:' && protocol !== 'https:')
    throw invalid(`'advertise' must be an http: or https: URL; it begins with ${protocol}`)
  // Not shown: it may hold a password.
  if (username !== '' || password !== '' || search !== '' || hash !== '')
    throw invalid("'advertise' must be a URL without a user, a password, a query and a fragment.")
  return advertise
}

function checkTls(tls: unknown, auth: ResolvedAuth | undefined): TlsOptions | undefined {
  if (tls === undefined) return undefined
  if (typeof tls !== 'object' || tls === null || Array.isArray(tls))
    throw invalid(`'tls' must be options such as { cert, key }; it is ${describe(tls)}.`)
  const options = tls as TlsOptions
  const hasKey = (options.cert !== undefined && options.key !== undefined) || options.pfx !== undefined
  if (!hasKey && options.SNICallback === undefined)
    throw invalid("'tls' needs cert and key, or pfx: their contents, as from readFileSync.")
  try {
    createSecureContext(options)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'no reason was given'
    throw new PortalError('INVALID_ARGUMENT', `'tls' cannot be used: ${why}.`, { cause })
  }
  // Whoever may come with a token needs no certificate.
  const alsoTokens = auth !== undefined && (auth.tokens.length > 0 || auth.authenticate !== undefined)
  const verifies = options.requestCert === true && options.rejectUnauthorized === undefined
  return verifies && alsoTokens ? { ...options, rejectUnauthorized: false } : options
}

function checkLogger(logger: unknown): Logger {
  if (logger === undefined) return errorsOnly
  const methods = ['debug', 'info', 'warn', 'error'] as const
  const isLogger =
    typeof logger === 'object' &&
    logger !== null &&
    methods.every((name) => typeof (logger as Record<string, unknown>)[name] === 'function')
  if (!isLogger) throw invalid("'logger' must have debug, info, warn and error, as pino and console do.")
  return logger as Logger
}

const errorsOnly: Logger = {
  debug() {},
  info() {},
  warn() {},
  error: (fields, message) => console.error(`portal-mq: ${message}`, fields),
}
