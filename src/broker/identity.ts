import { PortalError } from '../core/errors.js'
import { type Random, randomId } from '../runtime/runtime.js'
import type { Storage } from '../storage/storage.js'

const KEY = 'broker'
/** The most lives that are remembered, besides the registered one, of which it is not known whether they are. */
const TRIED = 100

/** Who a broker is: born with its database. */
export interface BrokerIdentity {
  readonly brokerId: string
  readonly storageId: string
  readonly clusterId: string
  /** Whether the cluster's id is that of a real cluster: a broker that is alone has one that it made up. */
  readonly inCluster: boolean
  /** One more with each start and each clean stop: a database with a lower one is an old copy. */
  readonly generation: number
  /** The last life of a process here that the cluster has certainly registered (at first: that tried), and those that tried since. */
  readonly lives?: readonly string[] | undefined
}

/** Undefined: the database is new. */
export async function readIdentity(storage: Storage): Promise<BrokerIdentity | undefined> {
  const stored = (await storage.readMeta(KEY)).get(KEY)
  return stored && decode(stored)
}

/** Reads the identity, or gives a new database one, and counts the start. */
export async function startIdentity(
  storage: Storage,
  random: Random,
  brokerId?: string,
): Promise<BrokerIdentity> {
  const before = await readIdentity(storage)
  if (before && brokerId !== undefined && before.brokerId !== brokerId) {
    throw new PortalError(
      'INVALID_ARGUMENT',
      `The database is that of broker ${before.brokerId}: it cannot be opened as ${brokerId}. Give it its own id, or another directory.`,
    )
  }
  const identity: BrokerIdentity = {
    brokerId: before?.brokerId ?? brokerId ?? randomId(random, 8),
    storageId: before?.storageId ?? randomId(random, 16),
    clusterId: before?.clusterId ?? randomId(random, 16),
    inCluster: before?.inCluster ?? false,
    generation: (before?.generation ?? 0) + 1,
    lives: before?.lives,
  }
  await writeIdentity(storage, identity)
  return identity
}

/** A cluster's database says nothing of topics, and what its log holds may have gone on elsewhere: INVALID_ARGUMENT. */
export function checkAlone({ brokerId, clusterId, inCluster }: BrokerIdentity): void {
  if (!inCluster) return
  throw new PortalError(
    'INVALID_ARGUMENT',
    `The directory is that of broker ${brokerId} of the cluster ${clusterId}: it cannot be opened alone. Start it with the cluster's coordination ("portal-mq serve --zookeeper …"), reach the cluster by its URL ("--url"), or give another directory.`,
  )
}

/** Notes which cluster the database belongs to, which is known once the broker has met it. */
export async function adoptCluster(
  storage: Storage,
  identity: BrokerIdentity,
  clusterId: string,
): Promise<BrokerIdentity> {
  const adopted = { ...identity, clusterId, inCluster: true }
  await writeIdentity(storage, adopted)
  return adopted
}

/** Counts another life of the same process: its session was lost, and others may have taken it for dead. */
export async function startAgain(storage: Storage, identity: BrokerIdentity): Promise<BrokerIdentity> {
  const again = { ...identity, generation: identity.generation + 1 }
  await writeIdentity(storage, again)
  return again
}

/** Notes the lives that the cluster may have registered, before it is asked to register one, and after. */
export async function keepLives(storage: Storage, identity: BrokerIdentity): Promise<void> {
  await writeIdentity(storage, identity)
}

/** With a life that is about to be registered. Undefined: none is noted yet. */
export function triedLives(lives: BrokerIdentity['lives'], life: string): BrokerIdentity['lives'] {
  if (lives === undefined || lives.includes(life)) return lives
  const [registered, ...tried] = lives
  return [registered!, ...tried.slice(-TRIED), life]
}

/** Counts a clean stop; its life is among those of `identity`. */
export async function stopIdentity(storage: Storage, identity: BrokerIdentity): Promise<void> {
  await writeIdentity(storage, { ...identity, generation: identity.generation + 1 })
}

async function writeIdentity(storage: Storage, identity: BrokerIdentity): Promise<void> {
  const value = new TextEncoder().encode(JSON.stringify({ v: 1, ...identity }))
  await storage.commit([{ type: 'meta', key: KEY, value }], { durable: true })
}

function decode(bytes: Uint8Array): BrokerIdentity {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as BrokerIdentity
  } catch (cause) {
    throw new PortalError('CORRUPT', 'The identity of the broker in its database cannot be read.', { cause })
  }
}
