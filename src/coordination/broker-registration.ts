import { isPortalError, PortalError } from '../core/errors.js'
import type { DocumentStore } from './document-store.js'
import { type BrokerDocument, brokerKind, type EarlierStorage, paths, type ReplicaName } from './documents.js'

/** How many earlier databases of a broker are remembered. */
const EARLIER_KEPT = 10

export interface BrokerLife extends ReplicaName {
  /** Already in the database: it rises there first. */
  readonly generation: number
  /** A random id of this process's life: the same for all its sessions, and never again. */
  readonly life: string
  /**
   * By the database: the last life that was certainly registered, and those that tried to be since; undefined: it has noted none. A copy knows
   * nothing of later ones, however often it was started since.
   */
  readonly lives?: readonly string[] | undefined
}

/** CORRUPT if the broker's database is behind what its node says: then it is an old copy, and messages would be missing. */
export async function checkRegistration(documents: DocumentStore, broker: BrokerLife): Promise<void> {
  const path = paths.broker(broker.broker)
  const current = await documents.read(brokerKind, path)
  if (!current) return
  try {
    register(current.document, broker)
  } catch (error) {
    if (!isPortalError(error, 'CORRUPT')) throw error
    // A server may have answered that is behind what the database has noted. What a write finds is the newest.
    const newest = await documents.change(brokerKind, path, (document) => ({ ...document }))
    if (newest) register(newest.document, broker)
  }
}

/** Writes the generation into the broker's node. CORRUPT as `checkRegistration`; what it reads is no older than its first write. */
export async function registerGeneration(documents: DocumentStore, broker: BrokerLife): Promise<void> {
  const path = paths.broker(broker.broker)
  const { broker: id, storage, generation, life } = broker
  if (await documents.create(brokerKind, path, { broker: id, storage, generation, life })) return
  const result = await documents.change(brokerKind, path, (current) => register(current, broker))
  // Forgotten just now by an administrator, who thought that it would not come back.
  if (result === undefined) return registerGeneration(documents, broker)
}

/** The node as it shall be; undefined: it is so already. */
function register(current: BrokerDocument, broker: BrokerLife): BrokerDocument | undefined {
  const { storage, generation, life } = broker
  if (current.storage !== storage) return registerOther(current, broker)
  if (current.generation === generation && current.life === life) return undefined
  checkKnown(current, broker)
  return { ...current, generation, life }
}

/** Another database than the last: a new one, or one that was put back. */
function registerOther(current: BrokerDocument, broker: BrokerLife): BrokerDocument {
  const { storage, generation, life } = broker
  const known = current.earlier?.find((each) => each.storage === storage)
  if (known) checkKnown(known, broker)
  const others = current.earlier?.filter((each) => each.storage !== storage) ?? []
  const last: EarlierStorage = {
    storage: current.storage,
    generation: current.generation,
    life: current.life,
  }
  return { ...current, storage, generation, life, earlier: [...others, last].slice(-EARLIER_KEPT) }
}

/** CORRUPT if the cluster has seen a later life of the database than it knows of itself. */
function checkKnown(
  seen: Pick<BrokerDocument, 'generation' | 'life'>,
  { broker, generation, life, lives }: BrokerLife,
): void {
  const isKnown = seen.life === undefined || seen.life === life || (lives?.includes(seen.life) ?? true)
  if (generation > seen.generation && isKnown) return
  throw new PortalError(
    'CORRUPT',
    `The database of the broker ${broker} is an old copy: the cluster has seen its start number ${seen.generation}, of which this copy does not know. Start the broker with the newest database, or with an empty directory: it then gets everything from the other replicas.`,
  )
}
