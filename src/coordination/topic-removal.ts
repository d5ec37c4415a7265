import type { DocumentStore } from './document-store.js'
import {
  type CreationIntent,
  creationKind,
  paths,
  type Tombstone,
  tombstoneKind,
  topicKind,
} from './documents.js'

/** Deletes a topic: once its tombstone stands it is decided, and every step after it can be repeated (invariant 11). */
export async function buryTopic(documents: DocumentStore, tombstone: Tombstone): Promise<void> {
  await documents.create(tombstoneKind, paths.tombstone(tombstone.topicId), tombstone)
  await removeTopic(documents, tombstone)
}

/** Removes what a tombstone gives leave to. The name goes first: nothing new comes to a topic that nobody finds. */
export async function removeTopic(
  documents: DocumentStore,
  { topicId, name }: Pick<Tombstone, 'topicId' | 'name'>,
): Promise<void> {
  await removeName(documents, name, topicId)
  await removeGroups(documents, topicId)
  await documents.removeWithChildren(paths.partitions(topicId))
}

export async function removeGroups(documents: DocumentStore, topicId: string): Promise<void> {
  await documents.removeWithChildren(paths.groups(topicId))
  await documents.remove(paths.generations(topicId))
}

/**
 * Ends a creation that its maker did not. If the name points at the topic, the topic stands; else it is deleted. That is
 * decided by the version of the intent, so that a maker that lives after all learns that it lost.
 */
export async function endCreation(
  documents: DocumentStore,
  intent: CreationIntent,
  deletedAt: number,
): Promise<void> {
  const { topicId, name } = intent
  const path = paths.creation(topicId)
  const named = (await documents.read(topicKind, paths.topic(name)))?.document.id === topicId
  if (named && !intent.abandoned) {
    await documents.remove(path)
    return
  }
  const decided = await documents.change(creationKind, path, (current) => ({ ...current, abandoned: true }))
  if (decided === undefined) return
  await buryTopic(documents, { topicId, name, deletedAt })
  await documents.remove(path)
}

/** Takes the name away from this topic, not from another that has it now. */
async function removeName(documents: DocumentStore, name: string, topicId: string): Promise<void> {
  for (;;) {
    const topic = await documents.read(topicKind, paths.topic(name))
    if (topic?.document.id !== topicId) return
    if (await documents.remove(paths.topic(name), topic.version)) return
  }
}
