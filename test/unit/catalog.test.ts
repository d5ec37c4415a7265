import { expect, it } from 'vitest'
import { Catalog } from '../../src/broker/cluster/catalog.js'
import { encodeDocument } from '../../src/coordination/document-codec.js'
import { paths, type Tombstone, type TopicDocument } from '../../src/coordination/documents.js'
import type { PushedDocument } from '../../src/protocol/peer-service.js'

const TOPIC: TopicDocument = {
  id: 't',
  name: 'orders',
  createdAt: 0,
  partitions: 1,
  config: {
    replicas: 1,
    minInSync: 1,
    retention: { after: 1 },
    maxMessageBytes: 1,
    dedupe: { window: 1, ids: 1 },
  },
}
const TOMBSTONE: Tombstone = { topicId: 't', name: 'orders', deletedAt: 1 }

const topic = pushed(paths.topic('orders'), TOPIC)
const tombstone = pushed(paths.tombstone('t'), TOMBSTONE)

function pushed(path: string, document: object): PushedDocument {
  const text = new TextDecoder().decode(encodeDocument(document, { writer: 'a', nonce: '' }))
  return { path, version: 0, text }
}

it.each([
  { order: 'then its end', documents: [topic, tombstone] },
  { order: 'after its end', documents: [tombstone, topic] },
])('of one push that tells of a topic $order the topic is not shown [11]', ({ documents }) => {
  const catalog = new Catalog()
  const changes = catalog.accept({ term: 1, sequence: 1, documents })
  expect(changes.topics).toEqual([])
  expect(changes.tombstones).toEqual([TOMBSTONE])
  expect(catalog.topic('t')).toBeUndefined()
})
