import { PortalError } from '../../index.js'
import { LOG_LEVELS, type LogLevel } from './json-logger.js'
import { readText } from './token-file.js'

/** What `serve` can be told, by a flag, the environment or the configuration file. */
export interface ServeSettings {
  readonly port: number
  readonly host: string
  readonly directory: string
  readonly tokenFile: string | undefined
  readonly clusterSecretFile: string | undefined
  readonly tlsCert: string | undefined
  readonly tlsKey: string | undefined
  readonly tlsCa: string | undefined
  readonly advertise: string | undefined
  readonly insecure: boolean
  readonly logLevel: LogLevel
  /** ZooKeeper's servers and path: the broker is one of a cluster. */
  readonly zookeeper: string | undefined
  readonly zookeeperAuthFile: string | undefined
  /** Milliseconds. */
  readonly sessionTimeout: number | undefined
  readonly rack: string | undefined
  /** The broker's name in its cluster. */
  readonly id: string | undefined
  readonly replicas: number | undefined
  readonly minInSync: number | undefined
  /** Milliseconds. */
  readonly replicaLag: number | undefined
  /** Bytes a second. */
  readonly replicationThrottledRate: number | undefined
  /** By the file only: what createBroker and http are given as it is, and check. */
  readonly broker: Readonly<Record<string, unknown>>
  readonly rules: unknown
  readonly clusterCertificates: unknown
  readonly cors: unknown
  readonly limits: unknown
}

interface Setting<T> {
  readonly variable: string
  readonly fallback: T
  /** A flag's or variable's text, or the file's value. Undefined: it cannot be. */
  read(value: unknown): T | undefined
  /** What it must be, for errors. */
  readonly rule: string
}

const text = (variable: string, fallback?: string): Setting<string | undefined> => ({
  variable,
  fallback,
  read: (value) => (typeof value === 'string' && value !== '' ? value : undefined),
  rule: 'text',
})

const count = (variable: string): Setting<number | undefined> => ({
  variable,
  fallback: undefined,
  read: (value) => {
    const number = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value
    return Number.isInteger(number) && (number as number) > 0 ? (number as number) : undefined
  },
  rule: 'a whole number above 0',
})

const DEFAULT_PORT = 5000
const DEFAULT_DIRECTORY = './portal-mq-data'

const SETTINGS = {
  port: {
    variable: 'PORTAL_MQ_PORT',
    fallback: DEFAULT_PORT,
    read: (value: unknown) => {
      const port = typeof value === 'string' && /^\d{1,5}$/.test(value) ? Number(value) : value
      return Number.isInteger(port) && (port as number) >= 0 && (port as number) <= 65_535
        ? (port as number)
        : undefined
    },
    rule: 'a whole number from 0 to 65,535',
  },
  host: text('PORTAL_MQ_HOST', '127.0.0.1'),
  directory: text('PORTAL_MQ_DIRECTORY'),
  tokenFile: text('PORTAL_MQ_TOKEN_FILE'),
  clusterSecretFile: text('PORTAL_MQ_CLUSTER_SECRET_FILE'),
  tlsCert: text('PORTAL_MQ_TLS_CERT'),
  tlsKey: text('PORTAL_MQ_TLS_KEY'),
  tlsCa: text('PORTAL_MQ_TLS_CA'),
  advertise: text('PORTAL_MQ_ADVERTISE'),
  insecure: {
    variable: 'PORTAL_MQ_INSECURE',
    fallback: false,
    read: (value: unknown) =>
      typeof value === 'boolean'
        ? value
        : ({ true: true, 1: true, false: false, 0: false } as const)[String(value)],
    rule: 'true or false',
  },
  logLevel: {
    variable: 'PORTAL_MQ_LOG_LEVEL',
    fallback: 'info' as LogLevel,
    read: (value: unknown) => LOG_LEVELS.find((level) => level === value),
    rule: `one of ${LOG_LEVELS.join(', ')}`,
  },
  zookeeper: text('PORTAL_MQ_ZOOKEEPER'),
  zookeeperAuthFile: text('PORTAL_MQ_ZOOKEEPER_AUTH_FILE'),
  sessionTimeout: count('PORTAL_MQ_SESSION_TIMEOUT'),
  rack: text('PORTAL_MQ_RACK'),
  id: text('PORTAL_MQ_ID'),
  replicas: count('PORTAL_MQ_REPLICAS'),
  minInSync: count('PORTAL_MQ_MIN_IN_SYNC'),
  replicaLag: count('PORTAL_MQ_REPLICA_LAG'),
  replicationThrottledRate: count('PORTAL_MQ_REPLICATION_THROTTLED_RATE'),
} satisfies Record<string, Setting<unknown>>

type Name = keyof typeof SETTINGS

/** What createBroker knows, and only the file can say. */
const BROKER_OPTIONS = ['synchronous', 'autoCreateTopics', 'cacheBytes'] as const
const FILE_ONLY = [...BROKER_OPTIONS, 'rules', 'clusterCertificates', 'cors', 'limits'] as const

export type Flags = Readonly<Record<string, unknown>> & { readonly config?: string }
export type Environment = Readonly<Record<string, string | undefined>>

/** Flags go before the environment, the environment before the file. Throws INVALID_ARGUMENT, naming the place. */
export function resolveSettings(flags: Flags, environment: Environment): ServeSettings {
  const path = flags.config ?? (environment['PORTAL_MQ_CONFIG'] || undefined)
  const file = path === undefined ? {} : readConfig(path)
  const get = <N extends Name>(name: N): (typeof SETTINGS)[N]['fallback'] => {
    const { variable, fallback, read, rule }: Setting<unknown> = SETTINGS[name]
    // An empty variable is one that is not set: that is how unit files and shells take one away.
    const places = [
      { value: flags[name], place: flagOf(name) },
      { value: environment[variable] || undefined, place: variable },
      { value: file[name], place: `'${name}' in ${path}` },
    ]
    const found = places.find(({ value }) => value !== undefined)
    if (!found) return fallback as never
    const value = read(found.value)
    if (value === undefined) throw invalid(`${found.place} must be ${rule}.`)
    return value as never
  }
  const port = get('port')
  const servers = get('zookeeper')
  return {
    port,
    host: get('host')!,
    directory: get('directory') ?? defaultDirectory(port, servers !== undefined),
    zookeeper: servers,
    zookeeperAuthFile: get('zookeeperAuthFile'),
    sessionTimeout: get('sessionTimeout'),
    rack: get('rack'),
    id: get('id'),
    replicas: get('replicas'),
    minInSync: get('minInSync'),
    replicaLag: get('replicaLag'),
    replicationThrottledRate: get('replicationThrottledRate'),
    tokenFile: get('tokenFile'),
    clusterSecretFile: get('clusterSecretFile'),
    tlsCert: get('tlsCert'),
    tlsKey: get('tlsKey'),
    tlsCa: get('tlsCa'),
    advertise: get('advertise'),
    insecure: get('insecure'),
    logLevel: get('logLevel'),
    broker: Object.fromEntries(
      BROKER_OPTIONS.filter((name) => file[name] !== undefined).map((name) => [name, file[name]]),
    ),
    rules: file['rules'],
    clusterCertificates: file['clusterCertificates'],
    cors: file['cors'],
    limits: file['limits'],
  }
}

/** In a cluster several brokers may be started in one folder: each has its own. The first one keeps what it had when it was alone. */
function defaultDirectory(port: number, inCluster: boolean): string {
  return inCluster && port !== DEFAULT_PORT ? `${DEFAULT_DIRECTORY}-${port}` : DEFAULT_DIRECTORY
}

function readConfig(path: string): Readonly<Record<string, unknown>> {
  let config: unknown
  try {
    config = JSON.parse(readText(path))
  } catch (cause) {
    if (cause instanceof PortalError) throw cause
    throw invalid(`The configuration file ${path} is not JSON: ${(cause as Error).message}.`)
  }
  if (typeof config !== 'object' || config === null || Array.isArray(config))
    throw invalid(`The configuration file ${path} must hold one object.`)
  const known = [...Object.keys(SETTINGS), ...FILE_ONLY]
  for (const name of Object.keys(config)) {
    if (!known.includes(name))
      throw invalid(
        `The configuration file ${path} has '${name}', which is not known. Known: ${known.join(', ')}.`,
      )
  }
  return config as Record<string, unknown>
}

/** `tlsCert`: `--tls-cert`. */
export function flagOf(name: string): string {
  return `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

function invalid(message: string): PortalError<'INVALID_ARGUMENT'> {
  return new PortalError('INVALID_ARGUMENT', message)
}
