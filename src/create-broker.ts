import { Broker } from './broker/broker.js'
import type { ClusterOptions } from './broker/cluster/cluster-options.js'
import { nodePersistence } from './broker/node-persistence.js'
import type { CoordinationAdapter, CoordinationStore } from './coordination/coordination.js'
import { inProcessCoordination } from './coordination/memory.js'
import { PortalError } from './core/errors.js'
import { checkName } from './core/names.js'
import { nodeRuntime } from './node-runtime.js'
import type { Logger } from './protocol/connection.js'
import { quietConsole } from './quiet-console.js'
import type { Runtime } from './runtime/runtime.js'
import { memoryStorage } from './storage/memory.js'
import { openSqliteStorage } from './storage/sqlite/sqlite.js'
import type { Storage } from './storage/storage.js'
import { inProcess } from './transport/in-process.js'
import type { Transport } from './transport/transport.js'

export interface BrokerOptions {
  /** Where the broker keeps its database; made if it does not exist. `:memory:` keeps nothing after `close()`. */
  readonly directory: string
  /**
   * `full`: what is acknowledged survives the loss of power. `normal`: it survives the death of the process; the loss of power may take
   * the last moments. @default 'full'
   */
  readonly synchronous?: 'full' | 'normal' | undefined
  /** Whether sending to a topic that does not exist makes it. @default true */
  readonly autoCreateTopics?: boolean | undefined
  /** Bytes of recent messages kept in memory for those who read them soon. At least 1 MiB. @default 16 MiB */
  readonly cacheBytes?: number | undefined
  /**
   * The broker's name in its cluster, kept in its database. Give it, and a broker whose disk was lost comes back as itself, gets everything from
   * the other replicas and is in sync again. Letters, digits, `-`, `_` and `.`. @default a random name, born with the database
   */
  readonly id?: string | undefined
  /** How others reach it: `http({ port })`. @default none: this process alone */
  readonly transport?: Transport | undefined
  /**
   * What makes brokers one cluster: `zookeeper('localhost:2181')` of `portal-mq/zookeeper`. Needs a `transport`, by which the others and
   * their clients reach this one. @default none: the broker is alone
   */
  readonly coordination?: CoordinationAdapter | undefined
  /** In a cluster: replicas of each partition of topics that do not say how many. From 1 to 15. @default 3 */
  readonly replicas?: number | undefined
  /** In a cluster: how many replicas must have a message on their disks before it is acknowledged. @default the majority of `replicas` */
  readonly minInSync?: number | undefined
  /** In a cluster: what fails together with this broker, such as its rack or zone; replicas are spread over them. @default the broker itself */
  readonly rack?: string | undefined
  /** In a cluster: milliseconds that a replica may be behind before nobody waits for it any more. From 500. @default 10,000 */
  readonly replicaLag?: number | undefined
  /**
   * In a cluster: bytes a second that this broker fetches at most for replicas that are behind, from all leaders together: new ones of a move, those
   * that were away or lost their disk. Replicas in sync are not held. From 65,536. @default 33,554,432 (32 MiB)
   */
  readonly replicationThrottledRate?: number | undefined
  /** pino, console or alike: errors that no caller waits for go there. @default console, warnings and errors only */
  readonly logger?: Logger | undefined
  /** Time, timers and randomness; for tests. @default the machine's */
  readonly runtime?: Runtime | undefined
}

const DEFAULT_CACHE = 16 << 20
const CLUSTER_OPTIONS = ['replicas', 'minInSync', 'rack', 'replicaLag', 'replicationThrottledRate'] as const
const DEFAULT_THROTTLED_RATE = 32 << 20
const OPTIONS = [
  'directory',
  'id',
  'synchronous',
  'autoCreateTopics',
  'cacheBytes',
  'transport',
  'coordination',
  'logger',
  'runtime',
  ...CLUSTER_OPTIONS,
] as const satisfies readonly (keyof BrokerOptions)[]

/**
 * Opens a broker in this process. Everything acknowledged before is there.
 *
 * Throws INVALID_ARGUMENT; DIRECTORY_IN_USE, naming the holder, when another broker has the directory; UNSUPPORTED when
 * better-sqlite3 does not fit this Node; CORRUPT or STORAGE_FAILED when the database cannot be read.
 *
 * @example
 * const broker = await createBroker({ directory: './data' })
 * try { await new Producer(broker).send('orders', { id: 1 }) } finally { await broker.close() }
 */
export async function createBroker(options: BrokerOptions): Promise<Broker> {
  const { directory, synchronous, transport, coordination, ...parts } = resolveOptions(options)
  const storage = await openStorage(directory, synchronous, parts.runtime)
  try {
    return await Broker.open({
      ...parts,
      storage,
      openCoordination: coordination
        ? (opened) => coordination({ persistence: nodePersistence(opened) })
        : openOwnCoordination,
      openOwnCoordination,
      local: inProcess(),
      remote: transport,
    })
  } catch (error) {
    await storage.close().catch(() => {})
    throw error
  }
}

function openOwnCoordination(storage: Storage): Promise<CoordinationStore> {
  return inProcessCoordination()({ persistence: nodePersistence(storage) })
}

async function openStorage(
  directory: string,
  synchronous: 'full' | 'normal',
  runtime: Runtime,
): Promise<Storage> {
  if (directory === ':memory:') return memoryStorage({ crc32: runtime.crc32 })
  return openSqliteStorage({ directory, synchronous })
}

function resolveOptions(options: BrokerOptions) {
  for (const name of Object.keys(options ?? {})) {
    if (!OPTIONS.some((known) => known === name))
      throw invalid(`createBroker knows no option ${name}. It knows: ${OPTIONS.join(', ')}.`)
  }
  const {
    directory,
    id,
    synchronous = 'full',
    autoCreateTopics = true,
    cacheBytes = DEFAULT_CACHE,
    transport,
    coordination,
    logger = quietConsole,
    runtime = nodeRuntime(),
  } = options ?? {}
  if (typeof directory !== 'string' || directory === '')
    throw invalid("createBroker needs a directory, or ':memory:'.")
  if (id !== undefined) checkName('broker id', id)
  if (synchronous !== 'full' && synchronous !== 'normal')
    throw invalid("synchronous must be 'full' or 'normal'.")
  if (typeof autoCreateTopics !== 'boolean') throw invalid('autoCreateTopics must be true or false.')
  if (!Number.isFinite(cacheBytes) || cacheBytes < 1 << 20)
    throw invalid('cacheBytes must be at least 1,048,576 bytes.')
  if (transport !== undefined && typeof transport?.listen !== 'function')
    throw invalid(
      "transport must be an adapter: import { http } from 'portal-mq/http', then http({ port: 5000 }).",
    )
  for (const name of ['debug', 'info', 'warn', 'error'] as const) {
    if (typeof logger?.[name] !== 'function')
      throw invalid(`logger must have a method '${name}', as pino has.`)
  }
  for (const name of ['clock', 'timers', 'random', 'crc32'] as const) {
    if (runtime?.[name] === undefined)
      throw invalid(`runtime must have '${name}': leave it out for the machine's.`)
  }
  const cluster = coordination === undefined ? notInCluster(options) : clusterOptions(options)
  return {
    directory,
    id,
    synchronous,
    autoCreateTopics,
    cacheBytes,
    transport,
    logger,
    runtime,
    coordination,
    cluster,
  }
}

function notInCluster(options: BrokerOptions): undefined {
  for (const name of CLUSTER_OPTIONS) {
    if (options[name] !== undefined)
      throw invalid(`${name} is for brokers of a cluster: give createBroker a coordination, too.`)
  }
}

function clusterOptions(options: BrokerOptions): ClusterOptions {
  const { coordination, transport, synchronous, rack, replicas = 3, minInSync, replicaLag = 10_000 } = options
  const { replicationThrottledRate = DEFAULT_THROTTLED_RATE } = options
  if (typeof coordination !== 'function')
    throw invalid(
      "coordination must be an adapter: import { zookeeper } from 'portal-mq/zookeeper', then zookeeper('localhost:2181').",
    )
  if (transport === undefined)
    throw invalid('A broker of a cluster needs a transport, by which others reach it: http({ port: 5000 }).')
  if (synchronous === 'normal')
    throw invalid(
      "A broker of a cluster needs synchronous: 'full': what it has confirmed to others must survive the loss of power.",
    )
  whole('replicas', replicas, 1, 15)
  if (minInSync !== undefined) whole('minInSync', minInSync, 1, replicas)
  whole('replicaLag', replicaLag, 500, 3_600_000)
  whole('replicationThrottledRate', replicationThrottledRate, 1 << 16, 2 ** 40)
  if (rack !== undefined && (typeof rack !== 'string' || rack === '')) throw invalid('rack must be a name.')
  return { rack, replicas, minInSync, replicaLag, replicationThrottledRate }
}

function whole(name: string, value: unknown, least: number, most: number): void {
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) return
  throw invalid(`${name} must be a whole number from ${least} to ${most}.`)
}

function invalid(message: string): PortalError<'INVALID_ARGUMENT'> {
  return new PortalError('INVALID_ARGUMENT', message)
}
