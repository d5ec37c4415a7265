import { PortalError } from '../core/errors.js'
import type { DocumentStore } from './document-store.js'
import { type BrokerDocument, brokerKind, type EarlierStorage, paths, type ReplicaName } from './documents.js'

/** How many earlier databases of a broker are remembered. */
const EARLIER_KEPT = 10

export interface BrokerLife extends ReplicaName {
  /** Already in the database: it rises there first. */
  readonly generation: number
  /** A random id of this process's life: the same for all its sessions, and never again. */
  readonly life: string
}

/** CORRUPT if the broker's database is behind what its node says: then it is an old copy, and messages would be missing. */
export async function checkRegistration(documents: DocumentStore, broker: BrokerLife): Promise<void> {
  const current = await documents.read(brokerKind, paths.broker(broker.broker))
  if (current) register(current.document, broker)
}

/** Writes the generation into the broker's node. CORRUPT as `checkRegistration`. */
export async function registerGeneration(documents: DocumentStore, broker: BrokerLife): Promise<void> {
  const path = paths.broker(broker.broker)
  const { broker: id, storage, generation, life } = broker
  if (await documents.create(brokerKind, path, { broker: id, storage, generation, life })) return
  const result = await documents.change(brokerKind, path, (current) => register(current, broker))
  // Forgotten just now by an administrator, who thought that it would not come back.
  if (result === undefined) return registerGeneration(documents, broker)
}

/** The node as it shall be; undefined: it is so already. */
function register(
  current: BrokerDocument,
  { storage, generation, life }: BrokerLife,
): BrokerDocument | undefined {
  if (current.storage !== storage) return registerOther(current, { storage, generation, life })
  if (current.generation === generation && current.life === life) return undefined
  if (generation <= current.generation) throw oldCopy(current, generation, current.generation)
  return { ...current, generation, life }
}

/** Another database than the last: a new one, or one that was put back. */
function registerOther(
  current: BrokerDocument,
  { storage, generation, life }: Omit<BrokerLife, 'broker'>,
): BrokerDocument {
  const known = current.earlier?.find((each) => each.storage === storage)
  if (known && generation <= known.generation) throw oldCopy(current, generation, known.generation)
  const others = current.earlier?.filter((each) => each.storage !== storage) ?? []
  const last: EarlierStorage = { storage: current.storage, generation: current.generation }
  return { ...current, storage, generation, life, earlier: [...others, last].slice(-EARLIER_KEPT) }
}

function oldCopy({ broker }: BrokerDocument, generation: number, known: number): PortalError {
  return new PortalError(
    'CORRUPT',
    `The database of the broker ${broker} is an old copy: this is its start number ${generation}, but the cluster has seen number ${known}. Start the broker with the newest database, or with an empty directory: it then gets everything from the other replicas.`,
  )
}
