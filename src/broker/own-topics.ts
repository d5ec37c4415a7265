import type { LoadedTopic } from '../coordination/load-topics.js'
import type { Metadata } from '../coordination/metadata.js'
import type { Storage } from '../storage/storage.js'

export interface OwnTopicsParts {
  readonly metadata: Metadata
  readonly storage: Storage
  /** Milliseconds since the Unix epoch. */
  readonly now: number
}

/** The topics of a broker that is, or was, alone, by name: first what a crash cut short of making and deleting them is ended. */
export async function loadOwnTopics({ metadata, storage, now }: OwnTopicsParts): Promise<LoadedTopic[]> {
  await metadata.resumeCreations(Math.floor(now))
  await removeDeleted(metadata, storage)
  return metadata.loadAll()
}

/** Logs of topics whose deletion a crash cut short: only a tombstone allows it (invariant 11). */
async function removeDeleted(metadata: Metadata, storage: Storage): Promise<void> {
  const deleted = new Set(await metadata.resumeDeletions())
  const logs = (await storage.logs()).filter((log) => deleted.has(log.slice(0, log.lastIndexOf('/'))))
  if (logs.length > 0)
    await storage.commit(
      logs.map((log) => ({ type: 'delete-log', log })),
      { durable: true },
    )
  await Promise.all([...deleted].map((topicId) => metadata.forgetTombstone(topicId)))
}
