import {
  type DocumentKind,
  decodeDocument,
  encodeDocument,
  isCount,
  isObject,
} from '../../coordination/document-codec.js'
import {
  type GroupDocument,
  groupKind,
  type Tombstone,
  type TopicDocument,
  tombstoneKind,
  topicKind,
} from '../../coordination/documents.js'
import type { Crc32 } from '../../core/crc32.js'
import { isPortalError } from '../../core/errors.js'
import type { Storage, Write } from '../../storage/storage.js'

/** So many deleted topics are remembered; brokers that were away for more deletions may bring one back when a cluster is rebuilt. */
const DELETED_KEPT = 1_000
/** Documents in one commit. */
const COMMIT = 500

const TOPIC = 'noted:topic:'
const GROUP = 'noted:group:'
const DELETED = 'noted:deleted:'

/** A topic's document, and which version of it this is. */
export interface NotedTopic {
  readonly topic: TopicDocument
  readonly version: number
}

const notedTopicKind: DocumentKind<NotedTopic> = {
  what: 'noted topic',
  fields: { topic: isObject, version: isCount },
}

/** What a broker's database notes of its cluster's metadata. */
export interface Notes {
  readonly topics: readonly NotedTopic[]
  /** Of topics of which it led partitions, as they were when it led them last. */
  readonly groups: readonly GroupDocument[]
  readonly deleted: readonly Tombstone[]
}

/**
 * Notes in the broker's database what it is told of topics and groups. Nobody reads it while the coordination service has them: it is what a cluster is
 * rebuilt from when that has lost its data (rebuild/). A note is written behind what is told, and is on the disk before any message that comes later.
 */
export class MetadataNotes {
  readonly #storage: Storage
  readonly #crc32: Crc32
  /** By key: the checksum of what is noted. */
  readonly #noted: Map<string, number>

  private constructor(storage: Storage, crc32: Crc32, noted: Map<string, number>) {
    this.#storage = storage
    this.#crc32 = crc32
    this.#noted = noted
  }

  static async open(storage: Storage, crc32: Crc32): Promise<MetadataNotes> {
    const stored = await storage.readMeta('noted:')
    const notes = new MetadataNotes(
      storage,
      crc32,
      new Map([...stored].map(([key, value]) => [key, crc32(value)])),
    )
    const deleted = decodeNotes(stored).deleted.toSorted((a, b) => b.deletedAt - a.deletedAt)
    notes.#write(deleted.slice(DELETED_KEPT).map(({ topicId }) => [DELETED + topicId, undefined]))
    return notes
  }

  topics(topics: readonly NotedTopic[]): void {
    this.#write(topics.map((noted) => [TOPIC + noted.topic.id, encode(noted)]))
  }

  /** They are noted as deleted: one that was away shall not bring them back. */
  deleted(tombstones: readonly Tombstone[]): void {
    this.#write(
      tombstones.flatMap((tombstone) => {
        const { topicId } = tombstone
        const groups = [...this.#noted.keys()].filter((key) => key.startsWith(`${GROUP}${topicId}/`))
        const gone = [TOPIC + topicId, ...groups].map((key) => [key, undefined] as const)
        return [[DELETED + topicId, encode(tombstone)] as const, ...gone]
      }),
    )
  }

  /** Undefined: there is no group of that name any more. */
  group(topicId: string, name: string, group: GroupDocument | undefined): void {
    this.#write([[`${GROUP}${topicId}/${name}`, group && encode(group)]])
  }

  #write(notes: readonly (readonly [key: string, value: Uint8Array | undefined])[]): void {
    const writes: Write[] = []
    for (const [key, value] of notes) {
      const checksum = value && this.#crc32(value)
      if (this.#noted.get(key) === checksum) continue
      if (checksum === undefined) this.#noted.delete(key)
      else this.#noted.set(key, checksum)
      writes.push({ type: 'meta', key, value })
    }
    for (let at = 0; at < writes.length; at += COMMIT) {
      this.#storage.commit(writes.slice(at, at + COMMIT), { durable: false }).catch((error: unknown) => {
        // The storage has failed, or is closed: that is told elsewhere.
        if (!isPortalError(error)) throw error
      })
    }
  }
}

export async function readNotes(storage: Storage): Promise<Notes> {
  return decodeNotes(await storage.readMeta('noted:'))
}

function decodeNotes(stored: ReadonlyMap<string, Uint8Array>): Notes {
  const topics: NotedTopic[] = []
  const groups: GroupDocument[] = []
  const deleted: Tombstone[] = []
  for (const [key, bytes] of stored) {
    if (key.startsWith(TOPIC)) {
      const { topic, version } = decodeDocument(notedTopicKind, key, bytes).document
      const text = encode(topic)
      topics.push({ topic: decodeDocument(topicKind, key, text).document, version })
    } else if (key.startsWith(GROUP)) groups.push(decodeDocument(groupKind, key, bytes).document)
    else if (key.startsWith(DELETED)) deleted.push(decodeDocument(tombstoneKind, key, bytes).document)
  }
  return { topics, groups, deleted }
}

function encode(document: object): Uint8Array {
  return encodeDocument(document, { writer: '', nonce: '' })
}
