import type { CoordinationStore } from '../../coordination/coordination.js'
import { DocumentStore } from '../../coordination/document-store.js'
import { brokerKind, generationsKind, paths } from '../../coordination/documents.js'
import { FencingTokens } from '../../coordination/fencing-tokens.js'
import { importTopics } from '../../coordination/import-topics.js'
import { Metadata } from '../../coordination/metadata.js'
import { PortalError } from '../../core/errors.js'
import type { Runtime } from '../../runtime/runtime.js'
import type { Storage } from '../../storage/storage.js'
import type { BrokerIdentity } from '../identity.js'
import { loadOwnTopics } from '../own-topics.js'
import { defaultMinInSync } from '../topic-config.js'

export interface BringTopicsParts {
  readonly identity: BrokerIdentity
  readonly storage: Storage
  readonly runtime: Runtime
  /** What topics of the cluster get that do not say it. */
  readonly defaults: { readonly replicas: number; readonly minInSync?: number | undefined }
  /** What the broker had while it was alone. */
  readonly own: CoordinationStore
  readonly cluster: CoordinationStore
}

/**
 * A broker that was alone joins a cluster: its topics and groups become the cluster's, under the same ids, so that its logs are theirs, and they get
 * replicas as others join. To be done before its database says that it belongs to the cluster: until then it is repeated at each start.
 */
export async function bringTopics(parts: BringTopicsParts): Promise<void> {
  const { identity, storage, runtime, defaults, own, cluster } = parts
  const owner = { broker: identity.brokerId, storage: identity.storageId }
  const writer = { writer: identity.brokerId, random: runtime.random }
  const documents = new DocumentStore(cluster, writer)
  await refuseOldCopy(documents, owner)
  const ownDocuments = new DocumentStore(own, writer)
  const metadata = new Metadata(own, writer)
  const loaded = await loadOwnTopics({ metadata, storage, now: runtime.clock.now() })
  const topics = await Promise.all(
    loaded.map(async (topic) => {
      const counter = await ownDocuments.read(generationsKind, paths.generations(topic.topic.id))
      return { ...topic, lastGeneration: counter?.document.generation ?? 0 }
    }),
  )
  const { replicas } = defaults
  await importTopics(documents, topics, { owner, replicas, minInSync: defaultMinInSync(replicas, defaults) })
  await new FencingTokens(cluster).raise(await new FencingTokens(own).last())
}

/** The database notes that it belongs to the cluster before the broker is registered there: one that does not is older than that. */
async function refuseOldCopy(
  documents: DocumentStore,
  { broker, storage }: { readonly broker: string; readonly storage: string },
): Promise<void> {
  const registered = (await documents.read(brokerKind, paths.broker(broker)))?.document
  const databases = [registered, ...(registered?.earlier ?? [])]
  if (!databases.some((known) => known?.storage === storage)) return
  throw new PortalError(
    'CORRUPT',
    `The database of the broker ${broker} is an old copy, of before it joined the cluster. Start the broker with the newest database, or with an empty directory: it then gets everything from the other replicas.`,
  )
}
