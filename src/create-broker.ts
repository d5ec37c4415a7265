import { crc32 as zlibCrc32 } from 'node:zlib'
import { Broker } from './broker/broker.js'
import { nodePersistence } from './broker/node-persistence.js'
import { inProcessCoordination } from './coordination/memory.js'
import { PortalError } from './core/errors.js'
import type { Logger } from './protocol/connection.js'
import { quietConsole } from './quiet-console.js'
import type { Runtime } from './runtime/runtime.js'
import { systemRuntime } from './runtime/system.js'
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
  /** How others reach it: `http({ port })`. @default none: this process alone */
  readonly transport?: Transport | undefined
  /** pino, console or alike: errors that no caller waits for go there. @default console, warnings and errors only */
  readonly logger?: Logger | undefined
  /** Time, timers and randomness; for tests. @default the machine's */
  readonly runtime?: Runtime | undefined
}

const DEFAULT_CACHE = 16 << 20

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
  const { directory, synchronous, autoCreateTopics, cacheBytes, transport, logger, runtime } =
    resolveOptions(options)
  const storage = await openStorage(directory, synchronous, runtime)
  try {
    return await Broker.open({
      storage,
      openCoordination: (opened) => inProcessCoordination()({ persistence: nodePersistence(opened) }),
      local: inProcess(),
      remote: transport,
      runtime,
      logger,
      autoCreateTopics,
      cacheBytes,
    })
  } catch (error) {
    await storage.close().catch(() => {})
    throw error
  }
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
  const known = new Set([
    'directory',
    'synchronous',
    'autoCreateTopics',
    'cacheBytes',
    'transport',
    'logger',
    'runtime',
  ])
  for (const name of Object.keys(options ?? {})) {
    if (!known.has(name))
      throw invalid(`createBroker knows no option ${name}. It knows: ${[...known].join(', ')}.`)
  }
  const {
    directory,
    synchronous = 'full',
    autoCreateTopics = true,
    cacheBytes = DEFAULT_CACHE,
    transport,
    logger = quietConsole,
    runtime = systemRuntime(zlibCrc32 ? { crc32: zlibCrc32 } : {}),
  } = options ?? {}
  if (typeof directory !== 'string' || directory === '')
    throw invalid("createBroker needs a directory, or ':memory:'.")
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
  return { directory, synchronous, autoCreateTopics, cacheBytes, transport, logger, runtime }
}

function invalid(message: string): PortalError<'INVALID_ARGUMENT'> {
  return new PortalError('INVALID_ARGUMENT', message)
}
