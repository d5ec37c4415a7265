import { describe, expect, it } from 'vitest'
import type { CoordinationStore } from '../../src/coordination/coordination.js'
import type { GroupDocument, PartitionDocument, TopicDocument } from '../../src/coordination/documents.js'
import { Metadata } from '../../src/coordination/metadata.js'
import { seededRandom } from '../../src/runtime/virtual.js'
import { crashing, unreliable } from '../unit/coordination-support.js'

export const ME = { broker: 'b1', storage: 's1' }
const OTHER = { broker: 'b2', storage: 's2' }
let seed = 0

function metadata(store: CoordinationStore, writer = 'b1'): Metadata {
  return new Metadata(store, { writer, random: seededRandom(++seed) })
}

function topicDocument(id: string, name = 'orders', partitions = 2): TopicDocument {
  const config = {
    replicas: 1,
    minInSync: 1,
    retention: { after: 1 },
    maxMessageBytes: 1_000,
    dedupe: { window: 1, ids: 1 },
  }
  return { id, name, createdAt: 5, config, partitions }
}

function partitionDocuments(topicId: string, to: number, from = 0): PartitionDocument[] {
  return Array.from({ length: to - from }, (_, at) => {
    return { topicId, partition: from + at, epoch: 0, leader: ME, replicas: [ME], inSync: [ME] }
  })
}

function groupDocument(topicId: string, name = 'billing'): GroupDocument {
  const backoff = { initial: 1, max: 2, factor: 2, jitter: 0 }
  const settings = { order: 'none', maxDeliveries: 5, backoff, deadLetter: false } as const
  const from = { kind: 'earliest' } as const
  return { topicId, topic: 'orders', name, generation: 1, createdAt: 5, from, settings, paused: false }
}

export function makeTopic(recipes: Metadata, id: string, name = 'orders', partitions = 2) {
  return recipes.createTopic(topicDocument(id, name, partitions), partitionDocuments(id, partitions))
}

async function allPaths(store: CoordinationStore, path = ''): Promise<string[]> {
  const names = await store.children(path || '/')
  const below = await Promise.all(names.map((name) => allPaths(store, `${path}/${name}`)))
  return [...(path ? [path] : []), ...below.flat()]
}

/** Where brokers keep metadata, and find it again after they were started anew. */
export interface MetadataPlace {
  /** Starts a broker: resolves to what opens its sessions. Nothing is left of the one before but what it had written. */
  start(): Promise<() => Promise<CoordinationStore>>
  /** Resolves once what is under way and can go on has ended. */
  settle(): Promise<void>
}

/** What the metadata of topics and groups holds, on whichever coordination. `rounds`: how often chance is tried. */
export function metadataSuite(openPlace: () => MetadataPlace, rounds: number): void {
  async function opened(place = openPlace()) {
    const connect = await place.start()
    const store = await connect()
    return { place, connect, store, recipes: metadata(store) }
  }

  describe('topics', () => {
    it('are read back as they were made, also after a restart', async () => {
      const { recipes, place } = await opened()
      await makeTopic(recipes, 't1')
      await recipes.createGroup(groupDocument('t1'))
      const loaded = await (await opened(place)).recipes.loadAll()
      expect(loaded).toEqual([
        {
          topic: topicDocument('t1'),
          partitions: partitionDocuments('t1', 2).map((document) => ({ ...document, version: 0 })),
          groups: [groupDocument('t1')],
        },
      ])
    })

    it('are never pointed at before all their partitions have documents', async () => {
      const { store } = await opened()
      const order: string[] = []
      const traced: CoordinationStore = {
        ...bound(store),
        create: async (path, ...rest) => {
          const made = await store.create(path, ...rest)
          order.push(path)
          return made
        },
      }
      await makeTopic(metadata(traced), 't1', 'orders', 3)
      expect(order.at(-1)).toBe('/topics/orders')
      expect(order.slice(0, -1).sort()).toEqual([
        '/creating/t1',
        '/partitions/t1/0',
        '/partitions/t1/1',
        '/partitions/t1/2',
      ])
    })

    it('whose name is taken are not made, and leave nothing behind', async () => {
      const { recipes, store } = await opened()
      await makeTopic(recipes, 't1')
      const before = await allPaths(store)
      expect(await makeTopic(recipes, 't2')).toBeUndefined()
      expect(await allPaths(store)).toEqual(before)
    })

    it('that several brokers make at once are made by one', async () => {
      const { connect, store } = await opened()
      const ids = ['t1', 't2', 't3', 't4']
      const made = await Promise.all(ids.map(async (id) => makeTopic(metadata(await connect(), id), id)))
      const winners = made.filter((topic) => topic !== undefined)
      expect(winners).toHaveLength(1)
      expect(await store.children('/partitions')).toEqual([winners[0]?.id])
      expect(await store.children('/creating')).toEqual([])
    })

    it('need a document for each partition', async () => {
      const { recipes } = await opened()
      const short = recipes.createTopic(topicDocument('t1'), partitionDocuments('t1', 1))
      await expect(short).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
      const foreign = recipes.createTopic(topicDocument('t1'), partitionDocuments('t2', 2))
      await expect(foreign).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
      await expect(makeTopic(recipes, 't1', 'a/b')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    })

    it('are changed without losing the changes of others', async () => {
      const { recipes } = await opened()
      await makeTopic(recipes, 't1')
      const raise = (topic: TopicDocument) => {
        return { ...topic, config: { ...topic.config, maxMessageBytes: topic.config.maxMessageBytes + 1 } }
      }
      await Promise.all(Array.from({ length: 20 }, () => recipes.updateTopic('orders', raise)))
      expect((await recipes.readTopic('orders'))?.config.maxMessageBytes).toBe(1_020)
      expect(await recipes.updateTopic('orders', () => undefined)).toEqual(await recipes.readTopic('orders'))
      expect(await recipes.updateTopic('missing', raise)).toBeUndefined()
    })

    it('keep fields that a newer build of the same version wrote', async () => {
      const { recipes, store } = await opened()
      await makeTopic(recipes, 't1')
      const node = (await store.read('/topics/orders'))!
      const richer = { ...JSON.parse(new TextDecoder().decode(node.data)), colour: 'green' }
      await store.compareAndSet(
        '/topics/orders',
        new TextEncoder().encode(JSON.stringify(richer)),
        node.version,
      )
      await recipes.updateTopic('orders', (topic) => ({ ...topic, config: { ...topic.config, replicas: 3 } }))
      expect(await recipes.readTopic('orders')).toMatchObject({ colour: 'green', config: { replicas: 3 } })
    })
  })

  describe('added partitions', () => {
    it('count once all have documents', async () => {
      const { recipes } = await opened()
      await makeTopic(recipes, 't1')
      const topic = await recipes.addPartitions('orders', partitionDocuments('t1', 4, 2))
      expect(topic?.partitions).toBe(4)
      expect(await recipes.readPartitions(topic!)).toHaveLength(4)
    })

    it('are added once by two that add the same', async () => {
      const { recipes, connect } = await opened()
      await makeTopic(recipes, 't1')
      const other = metadata(await connect(), 'b2')
      const added = partitionDocuments('t1', 4, 2)
      await Promise.all([recipes.addPartitions('orders', added), other.addPartitions('orders', added)])
      expect((await recipes.readTopic('orders'))?.partitions).toBe(4)
    })

    it('use the documents that an addition left behind when a crash cut it short', async () => {
      const { recipes, store } = await opened()
      await makeTopic(recipes, 't1')
      void metadata(crashing(store, 1)).addPartitions('orders', partitionDocuments('t1', 4, 2))
      await expect.poll(() => store.children('/partitions/t1')).toEqual(['0', '1', '2'])
      expect((await recipes.loadAll())[0]?.partitions).toHaveLength(2)
      expect((await recipes.addPartitions('orders', partitionDocuments('t1', 4, 2)))?.partitions).toBe(4)
    })

    it('leave no gap', async () => {
      const { recipes } = await opened()
      await makeTopic(recipes, 't1')
      const gap = recipes.addPartitions('orders', partitionDocuments('t1', 5, 3))
      await expect(gap).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    })

    it('are not added to a topic that was made again under the name', async () => {
      const { recipes, store } = await opened()
      await makeTopic(recipes, 't1')
      await recipes.deleteTopic('orders', 9)
      await makeTopic(recipes, 't2')
      expect(await recipes.addPartitions('orders', partitionDocuments('t1', 3, 2))).toBeUndefined()
      expect(await store.children('/partitions')).toEqual(['t2'])
    })
  })

  describe('deleting a topic (invariant 11)', () => {
    it('leaves a tombstone and nothing else', async () => {
      const { recipes, store } = await opened()
      await makeTopic(recipes, 't1')
      await recipes.createGroup(groupDocument('t1'))
      await recipes.nextGroupGeneration('t1')
      expect(await recipes.deleteTopic('orders', 9)).toEqual(topicDocument('t1'))
      expect(await recipes.deleteTopic('orders', 9)).toBeUndefined()
      expect((await allPaths(store)).filter((path) => path.split('/').length > 2)).toEqual(['/deleted/t1'])
      expect(await recipes.resumeDeletions()).toEqual(['t1'])
      await recipes.forgetTombstone('t1')
      expect(await recipes.resumeDeletions()).toEqual([])
    })

    it('writes the tombstone before it removes anything, and is ended after a crash at any point', async () => {
      for (let writes = 0; ; writes++) {
        const { recipes, store, place } = await opened()
        await makeTopic(recipes, 't1')
        await recipes.createGroup(groupDocument('t1'))
        const before = await allPaths(store)
        let ended = false
        void metadata(crashing(store, writes))
          .deleteTopic('orders', 9)
          .then(() => {
            ended = true
          })
        await place.settle()

        const after = await opened(place)
        const remaining = await allPaths(after.store)
        if (!remaining.includes('/deleted/t1')) expect(remaining).toEqual(before)
        else {
          expect(await after.recipes.resumeDeletions()).toEqual(['t1'])
          expect(await after.recipes.loadAll()).toEqual([])
          expect(await after.store.children('/partitions')).toEqual([])
          expect(await after.store.children('/groups')).toEqual([])
        }
        if (ended) break
      }
    })

    it('does not touch a topic made again under the name', async () => {
      const { recipes, place } = await opened()
      await makeTopic(recipes, 't1')
      await recipes.deleteTopic('orders', 9)
      await makeTopic(recipes, 't2')
      await recipes.createGroup(groupDocument('t2'))
      const after = await opened(place)
      expect(await after.recipes.resumeDeletions()).toEqual(['t1'])
      const [loaded] = await after.recipes.loadAll()
      expect(loaded?.topic.id).toBe('t2')
      expect(loaded?.groups).toHaveLength(1)
    })

    it('is not concluded from a document that is missing', async () => {
      const { recipes, store } = await opened()
      await makeTopic(recipes, 't1')
      await store.delete('/partitions/t1/1')
      await expect(recipes.loadAll()).rejects.toMatchObject({ code: 'CORRUPT' })
      await recipes.resumeCreations(9)
      expect(await recipes.resumeDeletions()).toEqual([])
      expect(await store.children('/partitions/t1')).toEqual(['0'])
    })
  })

  describe('a creation that a crash cut short', () => {
    it('is either complete or gone after the next open, wherever it stopped', async () => {
      for (let writes = 0; ; writes++) {
        const { store, place } = await opened()
        let ended = false
        void makeTopic(metadata(crashing(store, writes)), 't1').then(() => {
          ended = true
        })
        await place.settle()
        const named = (await store.read('/topics/orders')) !== undefined

        const after = await opened(place)
        await after.recipes.resumeCreations(9)
        await after.recipes.resumeDeletions()
        expect(await after.store.children('/creating')).toEqual([])
        expect((await after.recipes.loadAll()).map(({ topic }) => topic.id)).toEqual(named ? ['t1'] : [])
        expect(await after.store.children('/partitions')).toEqual(named ? ['t1'] : [])
        if (ended) break
      }
    })

    it('does not come back when its maker turns out to live', async () => {
      const { connect, store, recipes } = await opened()
      const gate = { open: () => {} }
      const waiting = new Promise<void>((resolve) => {
        gate.open = resolve
      })
      const slow: CoordinationStore = {
        ...bound(await connect()),
        create: async (path, ...rest) => {
          if (path.startsWith('/topics/')) await waiting
          return store.create(path, ...rest)
        },
      }
      const making = makeTopic(metadata(slow, 'slow'), 't1')
      await expect.poll(() => store.children('/partitions/t1')).toHaveLength(2)
      await recipes.resumeCreations(9)
      gate.open()
      expect(await making).toBeUndefined()
      expect(await recipes.loadAll()).toEqual([])
    })
  })

  describe('partition documents', () => {
    it('get a new epoch with every leader, and with nothing else (invariant 1)', async () => {
      const { recipes } = await opened()
      await makeTopic(recipes, 't1')
      const shrunk = await recipes.casPartition('t1', 0, (document) => ({ ...document, inSync: [ME] }))
      expect(shrunk).toMatchObject({ epoch: 0, version: 1 })
      const moved = await recipes.casPartition('t1', 0, (document) => ({ ...document, leader: OTHER }))
      expect(moved).toMatchObject({ epoch: 1, leader: OTHER, version: 2 })
      const none = await recipes.casPartition('t1', 0, (document) => ({ ...document, leader: null }))
      expect(none).toMatchObject({ epoch: 2, leader: null })
      const [jump, back] = [1, -1].map((step) => {
        return recipes.casPartition('t1', 0, (document) => ({ ...document, epoch: document.epoch + step }))
      })
      await expect(jump).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
      await expect(back).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    })

    it('are left alone by a change that declines', async () => {
      const { recipes } = await opened()
      await makeTopic(recipes, 't1')
      expect(await recipes.casPartition('t1', 0, () => undefined)).toBeUndefined()
      expect((await recipes.readPartition('t1', 0))?.version).toBe(0)
      const missing = recipes.casPartition('t1', 7, (document) => document)
      await expect(missing).rejects.toMatchObject({ code: 'TOPIC_NOT_FOUND' })
    })

    it('do not hold the version of their node', async () => {
      const { recipes, store } = await opened()
      await makeTopic(recipes, 't1')
      await recipes.takeLeadership(await recipes.readPartitions(topicDocument('t1')), ME)
      const node = await store.read('/partitions/t1/0')
      expect(Object.keys(JSON.parse(new TextDecoder().decode(node?.data)))).not.toContain('version')
    })

    it('raise each epoch once per winner, whoever competes', async () => {
      const { recipes, connect } = await opened()
      await makeTopic(recipes, 't1')
      const known = await recipes.readPartitions(topicDocument('t1'))
      const rivals = await Promise.all(
        Array.from({ length: 10 }, async (_, n) => metadata(await connect(), `b${n}`)),
      )
      const led = await Promise.all(rivals.map((rival) => rival.takeLeadership(known, ME)))
      expect(led.map(([first]) => first!.epoch).sort((a, b) => a - b)).toEqual([
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
      ])
    })
  })

  describe('taking the lead', () => {
    it('is refused to a replica that is not in sync (invariant 4)', async () => {
      const { recipes } = await opened()
      await makeTopic(recipes, 't1')
      const known = await recipes.readPartitions(topicDocument('t1'))
      const stranger = recipes.takeLeadership(known, { broker: 'b1', storage: 'another' })
      await expect(stranger).rejects.toMatchObject({ code: 'CORRUPT' })
    })
  })

  describe('groups', () => {
    it('are made once, changed, listed and deleted', async () => {
      const { recipes } = await opened()
      await makeTopic(recipes, 't1')
      expect(await recipes.createGroup(groupDocument('t1', 'b'))).toBeDefined()
      expect(await recipes.createGroup({ ...groupDocument('t1', 'b'), paused: true })).toBeUndefined()
      await recipes.createGroup({ ...groupDocument('t1', 'a'), startOffsets: [3, 4] })
      const names = (await recipes.listGroups('t1')).map(({ name }) => name)
      expect(names).toEqual(['a', 'b'])
      expect(await recipes.updateGroup('t1', 'b', (group) => ({ ...group, paused: true }))).toMatchObject({
        paused: true,
      })
      expect(await recipes.readGroup('t1', 'a')).toEqual({
        ...groupDocument('t1', 'a'),
        startOffsets: [3, 4],
      })
      expect(await recipes.deleteGroup('t1', 'b')).toBe(true)
      expect(await recipes.deleteGroup('t1', 'b')).toBe(false)
      expect(await recipes.updateGroup('t1', 'b', (group) => group)).toBeUndefined()
    })

    it('get generations that rise, whatever was deleted', async () => {
      const { recipes } = await opened()
      await makeTopic(recipes, 't1')
      const generations = await Promise.all(
        Array.from({ length: 10 }, () => recipes.nextGroupGeneration('t1')),
      )
      expect(generations.sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
      expect(await recipes.nextGroupGeneration('t1')).toBe(11)
    })

    it('are not made for a topic that was deleted', async () => {
      const { recipes, store } = await opened()
      await makeTopic(recipes, 't1')
      await recipes.deleteTopic('orders', 9)
      await expect(recipes.createGroup(groupDocument('t1'))).rejects.toMatchObject({
        code: 'TOPIC_NOT_FOUND',
      })
      expect(await store.children('/groups')).toEqual([])
    })
  })

  describe('documents', () => {
    it.each([
      ['of a newer version', '{"v":2}', 'UNSUPPORTED'],
      ['without a version', '{}', 'CORRUPT'],
      ['that are no JSON', '{"v":1', 'CORRUPT'],
      ['that are empty', '', 'CORRUPT'],
      ['without their writer', '{"v":1,"id":"t1"}', 'CORRUPT'],
      ['without a field', '{"v":1,"writer":"b","nonce":"n","id":"t1"}', 'CORRUPT'],
      ['that are a list', '[1]', 'CORRUPT'],
    ])('%s are refused', async (_, text, code) => {
      const { recipes, store } = await opened()
      await store.create('/topics/orders', new TextEncoder().encode(text))
      await expect(recipes.readTopic('orders')).rejects.toMatchObject({ code })
    })
  })

  describe('with a connection that loses answers', () => {
    it('every write that resolved was applied once, and ours is told from another’s', async () => {
      for (let round = 0; round < rounds; round++) {
        const { connect, store, recipes } = await opened()
        await makeTopic(recipes, 't1')
        const raises = Array.from({ length: 4 }, async (_, n) => {
          const flaky = metadata(unreliable(await connect(), seededRandom(round * 10 + n)), `b${n}`)
          const mine = { broker: `c${n}`, storage: `s${n}` }
          return flaky.casPartition('t1', 0, (document) => ({ ...document, leader: mine }))
        })
        const documents = await Promise.all(raises)
        const epochs = documents.map((document) => document!.epoch)
        expect(new Set(epochs).size).toBe(4)
        const node = await store.read('/partitions/t1/0')
        expect(node?.version).toBe((await recipes.readPartition('t1', 0))?.epoch)
        expect(node!.version).toBeGreaterThanOrEqual(Math.max(...epochs))
      }
    })

    it('one of several makers of a group wins, and knows it', async () => {
      for (let round = 0; round < rounds; round++) {
        const { connect, recipes } = await opened()
        await makeTopic(recipes, 't1')
        const made = await Promise.all(
          [1, 2, 3].map(async (generation) => {
            const flaky = metadata(
              unreliable(await connect(), seededRandom(round * 10 + generation)),
              `b${generation}`,
            )
            return flaky.createGroup({ ...groupDocument('t1'), generation })
          }),
        )
        const winners = made.filter((group) => group !== undefined)
        expect(winners).toHaveLength(1)
        expect((await recipes.readGroup('t1', 'billing'))?.generation).toBe(winners[0]?.generation)
      }
    })

    it('one of several makers of a topic wins, and knows it', async () => {
      for (let round = 0; round < rounds; round++) {
        const { connect, recipes } = await opened()
        const makers = ['t1', 't2', 't3'].map(async (id, n) => {
          const flaky = metadata(unreliable(await connect(), seededRandom(round * 10 + n)), id)
          for (;;) {
            try {
              return await makeTopic(flaky, id)
            } catch (error) {
              if ((error as { code?: string }).code !== 'DISCONNECTED') throw error
            }
          }
        })
        const made = (await Promise.all(makers)).filter((topic) => topic !== undefined)
        expect(made).toHaveLength(1)
        expect((await recipes.loadAll()).map(({ topic }) => topic.id)).toEqual([made[0]?.id])
      }
    })
  })
}

/** The store's methods as an object that can be spread. */
function bound(store: CoordinationStore): CoordinationStore {
  return crashing(store, Infinity)
}
