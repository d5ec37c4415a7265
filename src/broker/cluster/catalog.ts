import { decodeDocument } from '../../coordination/document-codec.js'
import {
  partitionKind,
  paths,
  type Tombstone,
  type TopicDocument,
  tombstoneKind,
  topicKind,
} from '../../coordination/documents.js'
import type { VersionedPartition } from '../../coordination/partition-version.js'
import { PortalError } from '../../core/errors.js'
import type { PushedDocument, UpdateRequest } from '../../protocol/peer-service.js'

/** What a push changed. */
export interface CatalogChanges {
  topics: TopicDocument[]
  /** Topics that are no more under their names; only a tombstone says that they were deleted. */
  readonly unnamed: string[]
  readonly partitions: VersionedPartition[]
  readonly tombstones: Tombstone[]
  /** Newer than what was pushed: the controller does not know them yet. */
  readonly newer: VersionedPartition[]
}

interface Known {
  readonly version: number
  /** Of what stands there now; undefined: it was removed. */
  readonly topicId: string | undefined
}

/**
 * What a broker has been told by controllers. It keeps the highest term, and of each document the highest version, and believes
 * nothing older (invariant 2).
 */
export class Catalog {
  readonly #names = new Map<string, Known>()
  readonly #partitions = new Map<string, VersionedPartition>()
  readonly #topics = new Map<string, TopicDocument>()
  readonly #buried = new Set<string>()
  #term = -1
  #sequence = -1

  /** The highest term that was seen; -1: none. */
  get term(): number {
    return this.#term
  }

  topic(topicId: string): TopicDocument | undefined {
    return this.#topics.get(topicId)
  }

  /** The version of a topic's document, which it has been told. */
  topicVersion({ name }: TopicDocument): number {
    return this.#names.get(paths.topic(name))?.version ?? 0
  }

  partition(topicId: string, partition: number): VersionedPartition | undefined {
    return this.#partitions.get(paths.partition(topicId, partition))
  }

  isBuried(topicId: string): boolean {
    return this.#buried.has(topicId)
  }

  /** Takes a controller's push. NOT_LEADER: its term is over. */
  accept({
    term,
    sequence,
    documents,
  }: Pick<UpdateRequest, 'term' | 'sequence' | 'documents'>): CatalogChanges {
    if (term < this.#term) {
      throw new PortalError(
        'NOT_LEADER',
        `The controller's term ${term} is over: term ${this.#term} has begun.`,
      )
    }
    if (term > this.#term) this.#sequence = -1
    this.#term = term
    const changes: CatalogChanges = { topics: [], unnamed: [], partitions: [], tombstones: [], newer: [] }
    // A late one changes nothing: nodes can be made again, and their versions then begin anew.
    if (sequence < this.#sequence) return changes
    this.#sequence = sequence
    for (const document of documents) this.#take(document, changes)
    return changes
  }

  /** What this broker wrote itself, or read. */
  learn(document: VersionedPartition): boolean {
    const path = paths.partition(document.topicId, document.partition)
    const known = this.#partitions.get(path)
    if (known && known.version >= document.version) return false
    this.#partitions.set(path, document)
    return true
  }

  #take(pushed: PushedDocument, changes: CatalogChanges): void {
    const { path } = pushed
    if (path.startsWith(`${paths.topics}/`)) this.#takeTopic(pushed, changes)
    else if (path.startsWith('/partitions/')) this.#takePartition(pushed, changes)
    else if (path.startsWith(`${paths.tombstones}/`)) this.#takeTombstone(pushed, changes)
  }

  #takeTopic({ path, version, text }: PushedDocument, changes: CatalogChanges): void {
    const known = this.#names.get(path)
    if (text === undefined) {
      if (known?.topicId === undefined || known.version > version) return
      this.#names.set(path, { version, topicId: undefined })
      changes.unnamed.push(known.topicId)
      return
    }
    const { document } = decodeDocument(topicKind, path, encoder.encode(text))
    if (known?.topicId === document.id && known.version >= version) return
    if (this.#buried.has(document.id)) return
    if (known?.topicId !== undefined && known.topicId !== document.id) changes.unnamed.push(known.topicId)
    this.#names.set(path, { version, topicId: document.id })
    this.#topics.set(document.id, document)
    changes.topics.push(document)
  }

  #takePartition({ path, version, text }: PushedDocument, changes: CatalogChanges): void {
    // Its removal says nothing: only a tombstone does (invariant 11).
    if (text === undefined) return
    const { document } = decodeDocument(partitionKind, path, encoder.encode(text))
    const partition = { ...document, version }
    if (this.#buried.has(document.topicId)) return
    if (this.learn(partition)) changes.partitions.push(partition)
    else {
      const known = this.#partitions.get(path)!
      if (known.version > version) changes.newer.push(known)
    }
  }

  #takeTombstone({ path, text }: PushedDocument, changes: CatalogChanges): void {
    if (text === undefined) {
      this.#buried.delete(path.slice(paths.tombstones.length + 1))
      return
    }
    const { document } = decodeDocument(tombstoneKind, path, encoder.encode(text))
    const { topicId } = document
    this.#buried.add(topicId)
    const topic = this.#topics.get(topicId)
    this.#topics.delete(topicId)
    // Deleted before this broker was told that it is there: it is not shown.
    changes.topics = changes.topics.filter(({ id }) => id !== topicId)
    for (let at = 0; at < (topic?.partitions ?? 0); at++)
      this.#partitions.delete(paths.partition(topicId, at))
    changes.tombstones.push(document)
  }
}

const encoder = new TextEncoder()
