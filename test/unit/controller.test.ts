import { afterEach, describe, expect, it } from 'vitest'
import { encodeDocument } from '../../src/coordination/document-codec.js'
import { controllerKind, paths } from '../../src/coordination/documents.js'
import type { VersionedPartition } from '../../src/coordination/partition-version.js'
import { PortalError } from '../../src/core/errors.js'
import { Workload } from '../../src/core/placement/workload.js'
import { documentStore, FakeCluster } from './controller-support.js'
import { disconnected } from './coordination-support.js'

const THREE = ['b1', 'b2', 'b3']
let cluster: FakeCluster

afterEach(async () => {
  expect(cluster.errors).toEqual([])
  for (const { controller } of cluster.brokers.values()) await cluster.result(controller!.close())
})

/** Three brokers and a topic that everyone has been told of. */
async function running(options: Parameters<FakeCluster['createTopic']>[1] = {}, brokers = THREE) {
  cluster = await FakeCluster.open(brokers)
  await cluster.until(() => cluster.brokers.get('b1')!.controller!.term !== undefined)
  const topic = await cluster.createTopic('orders', options)
  await cluster.until(() => everyoneKnows(topic.id, topic.partitions))
  return topic
}

function everyoneKnows(topicId: string, partitions: number): boolean {
  return living().every((broker) =>
    Array.from({ length: partitions }, (_, at) => broker.toldPartition(topicId, at)).every(Boolean),
  )
}

function living() {
  return [...cluster.brokers.values()].filter(({ up }) => up)
}

describe('a controller', () => {
  it('tells every broker of members, brokers, topics and partitions', async () => {
    const topic = await running({ partitions: 4 })
    for (const broker of living()) {
      await cluster.until(() => broker.toldMembers().length === 3)
      expect([...broker.known.keys()]).toEqual(
        expect.arrayContaining([
          ...THREE.map(paths.broker),
          paths.topic('orders'),
          paths.partition(topic.id, 3),
        ]),
      )
      expect(broker.updates.every(({ term, from }) => term === 1 && from.broker === 'b1')).toBe(true)
    }
  })

  it('tells one that comes, or comes again, everything', async () => {
    const topic = await running({ partitions: 4 })
    const late = await cluster.start('b4')
    await cluster.until(
      () => late.toldPartition(topic.id, 3) !== undefined && late.toldMembers().length === 4,
    )
    await late.die()
    await cluster.until(() => living().every((broker) => broker.toldMembers().length === 3))
    const again = await cluster.start('b4')
    await cluster.until(
      () => again.toldPartition(topic.id, 3) !== undefined && again.toldMembers().length === 4,
    )
  })

  it('sends again what fails, in order, and only what is newest', async () => {
    const topic = await running()
    const broker = cluster.brokers.get('b3')!
    let failing = true
    broker.onUpdate = () => {
      if (failing) throw disconnected()
    }
    const before = broker.updates.length
    for (let round = 0; round < 5; round++) {
      await cluster.change(topic.id, 0, (document) => ({
        ...document,
        inSync: [...document.inSync].reverse(),
      }))
      await cluster.pass(40)
    }
    const [current] = await cluster.partitions(topic)
    failing = false
    await cluster.until(() => broker.told(paths.partition(topic.id, 0))?.version === current!.version)
    const versions = broker.updates
      .slice(before)
      .flatMap(({ documents }) => documents.filter(({ path }) => path === paths.partition(topic.id, 0)))
      .map(({ version }) => version)
    expect(versions.length).toBeLessThan(5)
    expect(versions).toEqual([...versions].sort((a, b) => a - b))
    const sequences = broker.updates.map(({ sequence }) => sequence)
    expect(sequences).toEqual([...sequences].sort((a, b) => a - b))
  })

  it('gives up on an answer that does not come, and asks again', async () => {
    const topic = await running()
    const broker = cluster.brokers.get('b3')!
    const sequences: number[] = []
    broker.onUpdate = ({ sequence }, signal) => {
      sequences.push(sequence)
      if (sequences.length > 1) return
      return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(disconnected())))
    }
    await cluster.change(topic.id, 0, (document) => ({ ...document, inSync: [...document.inSync].reverse() }))
    await cluster.pass(9_000)
    expect(sequences).toHaveLength(1)
    await cluster.until(() => broker.told(paths.partition(topic.id, 0))?.version === 1)
    // The same request, under the same number.
    expect(sequences[1]).toBe(sequences[0])
  })

  it('tells a person of a member that cannot be told anything for long, once', async () => {
    const topic = await running()
    const broker = cluster.brokers.get('b3')!
    let failing = true
    broker.onUpdate = () => {
      if (failing) throw disconnected()
    }
    await cluster.change(topic.id, 0, (document) => ({ ...document, inSync: [...document.inSync].reverse() }))
    await cluster.pass(1_000)
    expect(cluster.errors).toEqual([])
    await cluster.pass(60_000)
    expect(cluster.errors).toEqual([
      expect.objectContaining({
        code: 'TIMEOUT',
        message: expect.stringMatching(/Broker b3 at .* lives, but .* cannot tell it anything/),
      }),
    ])
    failing = false
    cluster.errors.length = 0
    await cluster.until(() => broker.told(paths.partition(topic.id, 0))?.version === 1)
  })

  it('takes no older document for a newer one, whenever it is reported', async () => {
    const topic = await running()
    const path = paths.partition(topic.id, 0)
    const turn = () =>
      cluster.change(topic.id, 0, (it) => ({ ...it, inSync: [...it.inSync].reverse() }), 'late')
    const older = turn()
    await cluster.pass(100)
    await cluster.change(topic.id, 0, (it) => ({ ...it, inSync: [...it.inSync].reverse() }))
    await cluster.until(() => living().every((broker) => broker.told(path)?.version === 2))
    await cluster.result(older)
    await cluster.pass(500)
    for (const { updates } of living()) {
      const versions = updates.flatMap(({ documents }) => documents.filter((it) => it.path === path))
      expect(versions.map(({ version }) => version)).toEqual([0, 2])
    }
  })

  it('leaves nothing behind that runs, once it is closed', async () => {
    await running({ partitions: 4 })
    await cluster.brokers.get('b2')!.die()
    cluster.brokers.get('b3')!.onUpdate = () => {
      throw disconnected()
    }
    await cluster.pass(1_000)
    for (const { controller, membership } of cluster.brokers.values()) {
      await cluster.result(controller!.close())
      await cluster.result(controller!.close())
      await cluster.result(membership!.close())
    }
    await cluster.runtime.settle()
    expect(cluster.runtime.pendingTimers).toBe(0)
  })

  it('refuses commands and reports elsewhere', async () => {
    await running()
    const other = cluster.brokers.get('b2')!.controller!
    expect(other.term).toBeUndefined()
    await expect(other.command({ type: 'rebalance' })).rejects.toMatchObject({ code: 'NOT_LEADER' })
    expect(() => other.report([])).toThrow(expect.objectContaining({ code: 'NOT_LEADER' }))
    const { controller } = cluster.controller()
    const wrong = [{ path: '/partitions/x/0', version: 3, text: '{"v":1}' }]
    expect(() => controller!.report(wrong)).toThrow(expect.objectContaining({ code: 'CORRUPT' }))
  })
})

describe('failover', () => {
  it('elects from those in sync when a leader dies, with one write a partition', async () => {
    const topic = await running({ partitions: 12 })
    const before = await cluster.partitions(topic)
    const dead = cluster.brokers.get('b3')!
    cluster.writes.length = 0
    await dead.die()
    await cluster.until(async () =>
      (await cluster.partitions(topic)).every(({ inSync }) => inSync.length === 2),
    )
    const after = await cluster.partitions(topic)
    for (const [at, document] of after.entries()) {
      const led = before[at]!.leader!.broker === 'b3'
      expect(document.epoch).toBe(before[at]!.epoch + (led ? 1 : 0))
      expect(document.leader!.broker).not.toBe('b3')
      expect(document.incarnation).toBe(1)
    }
    await cluster.pass(1_000)
    // Every document names the dead one in sync: each is written once, those that it led first.
    expect(cluster.writes.filter((path) => path.startsWith('/partitions/'))).toHaveLength(12)
    const led = before
      .filter(({ leader }) => leader!.broker === 'b3')
      .map((it) => paths.partition(topic.id, it.partition))
    expect(new Set(cluster.writes.slice(0, led.length))).toEqual(new Set(led))
    for (const broker of living()) {
      for (const document of after) {
        expect(broker.toldPartition(topic.id, document.partition)?.epoch).toBe(document.epoch)
      }
      expect(broker.toldMembers()).toEqual(['b1', 'b2'])
    }
  })

  it('goes on when the controller dies with what it led', async () => {
    const topic = await running({ partitions: 6 })
    cluster.writes.length = 0
    await cluster.brokers.get('b1')!.die()
    await cluster.until(async () => {
      const documents = await cluster.partitions(topic)
      return documents.every(({ leader, inSync }) => leader!.broker !== 'b1' && inSync.length === 2)
    })
    expect(cluster.controller().controller!.term).toBe(2)
    expect(['b2', 'b3']).toContain(cluster.controller().id)
    await cluster.until(() => living().every((broker) => broker.toldMembers().length === 2))
    await cluster.pass(1_000)
    // The term, an own place and folder that may be tried, and a write a partition.
    expect(cluster.writes.filter((path) => path.startsWith('/partitions/'))).toHaveLength(6)
    expect(cluster.writes.filter((path) => path === paths.controller).length).toBeLessThanOrEqual(2)
  })

  it('survives the death of one after the other down to what must be in sync', async () => {
    const topic = await running({ partitions: 6 })
    await cluster.brokers.get('b1')!.die()
    await cluster.until(async () =>
      (await cluster.partitions(topic)).every(({ inSync }) => inSync.length === 2),
    )
    await cluster.brokers.get('b2')!.die()
    await cluster.until(async () =>
      (await cluster.partitions(topic)).every(({ leader }) => leader!.broker === 'b3'),
    )
    // One is dead, but without it there would be fewer than minInSync.
    expect((await cluster.partitions(topic)).every(({ inSync }) => inSync.length === 2)).toBe(true)
    await cluster.start('b2')
    await cluster.pass(1_000)
    const documents = await cluster.partitions(topic)
    expect(documents.every(({ leader, inSync }) => leader!.broker === 'b3' && inSync.length === 2)).toBe(true)
  })

  it('waits for somebody who has everything, and elects that one when it comes', async () => {
    const topic = await running({ minInSync: 1 })
    const leader = (await cluster.partitions(topic))[0]!.leader!
    await cluster.change(topic.id, 0, (document) => ({ ...document, inSync: [document.leader!] }))
    await cluster.brokers.get(leader.broker)!.die()
    await cluster.pass(5_000)
    expect((await cluster.partitions(topic))[0]).toMatchObject({ epoch: 0, leader })
    await cluster.start(leader.broker)
    await cluster.until(async () => (await cluster.partitions(topic))[0]!.epoch === 1)
    expect((await cluster.partitions(topic))[0]).toMatchObject({ leader, incarnation: 2, inSync: [leader] })
  })

  it('keeps a leader whose session ended when it is there again in the same life', async () => {
    const topic = await running({ replicas: 1, minInSync: 1 })
    const [before] = await cluster.partitions(topic)
    await cluster.brokers.get(before!.leader!.broker)!.reconnect()
    await cluster.pass(3_000)
    expect((await cluster.partitions(topic))[0]).toMatchObject({ epoch: 0, version: 0 })
    await cluster.until(() => living().every((broker) => broker.toldMembers().length === 3))
  })

  it('treats a wiped database as a new replica, never as one in sync', async () => {
    const topic = await running({ partitions: 6 })
    await cluster.brokers.get('b2')!.die()
    const wiped = await cluster.start('b2', { storage: 'fresh' })
    await cluster.until(async () =>
      (await cluster.partitions(topic)).every(({ replicas }) =>
        replicas.some(({ storage }) => storage === 'fresh'),
      ),
    )
    await cluster.pass(2_000)
    for (const document of await cluster.partitions(topic)) {
      expect(document.replicas).toHaveLength(3)
      expect(document.inSync.map(({ broker }) => broker).sort()).toEqual(['b1', 'b3'])
      expect(document.leader!.broker).not.toBe('b2')
    }
    await cluster.until(() => wiped.toldPartition(topic.id, 5)?.replicas.length === 3)
  })

  it('gives nothing new to one that is leaving', async () => {
    const topic = await running({ partitions: 6 })
    await cluster.brokers.get('b2')!.membership!.setLeaving()
    await cluster.pass(200)
    await cluster.brokers.get('b1')!.die()
    await cluster.until(async () =>
      (await cluster.partitions(topic)).every(({ leader }) => leader!.broker !== 'b1'),
    )
    const before = await cluster.partitions(topic)
    for (const { leader, epoch } of before) if (epoch > 0) expect(leader!.broker).toBe('b3')
  })

  it('ends right, whatever becomes of the answers of the coordination service', async () => {
    const { unreliable } = await import('./coordination-support.js')
    const { seededRandom } = await import('../../src/runtime/virtual.js')
    for (let seed = 1; seed <= 8; seed++) {
      cluster = await FakeCluster.open([], {}, seed)
      const random = seededRandom(seed)
      cluster.wrap = (store) => unreliable(store, random, 0.4)
      for (const broker of THREE) await cluster.start(broker)
      await cluster.until(() => living().some(({ controller }) => controller!.term !== undefined))
      const topic = await cluster.createTopic('orders', { partitions: 8 })
      await cluster.until(() => everyoneKnows(topic.id, 8))
      const first = cluster.controller()
      await first.die()
      await cluster.until(async () => {
        const documents = await cluster.partitions(topic)
        return documents.every(({ leader, inSync }) => leader!.broker !== first.id && inSync.length === 2)
      })
      await cluster.start(first.id)
      await cluster.until(async () => {
        const documents = await cluster.partitions(topic)
        return living().every((broker) =>
          documents.every(
            (it) => broker.told(paths.partition(topic.id, it.partition))?.version === it.version,
          ),
        )
      })
      for (const { epoch } of await cluster.partitions(topic)) expect(epoch).toBeLessThanOrEqual(1)
      for (const { controller } of living()) await cluster.result(controller!.close())
    }
  })

  it('uncleanly elects only when told to, and says what may be lost', async () => {
    const topic = await running({ minInSync: 1 })
    const [document] = await cluster.partitions(topic)
    const { leader } = document!
    const ask = { type: 'electUnclean', topicId: topic.id, partition: 0 } as const
    await expect(cluster.command(ask)).rejects.toMatchObject({ code: 'NOT_ENOUGH_REPLICAS' })
    await cluster.change(topic.id, 0, (it) => ({ ...it, inSync: [it.leader!] }))
    await cluster.brokers.get(leader!.broker)!.die()
    await cluster.until(() => living().some(({ controller }) => controller!.term !== undefined))
    await cluster.until(() => living().every((broker) => broker.toldMembers().length === 2))
    await cluster.pass(500)
    expect((await cluster.partitions(topic))[0]!.epoch).toBe(0)
    const elected = await cluster.command(ask)
    expect(elected).toMatchObject({ type: 'elected', epoch: 1, lost: [leader!.broker] })
    const [after] = await cluster.partitions(topic)
    expect(after!.inSync).toEqual([after!.leader])
    expect(after!.leader).not.toEqual(leader)
    await expect(cluster.command({ ...ask, partition: 7 })).rejects.toMatchObject({ code: 'TOPIC_NOT_FOUND' })
  })
})

describe('a controller that is not the only one to write', () => {
  it('decides upon what is there, not upon what it knew', async () => {
    const topic = await running()
    const [document] = await cluster.partitions(topic)
    const [first, second, third] = document!.replicas
    // The leader has written another in-sync set, and died before it could report it.
    const inSync = [first!, third!]
    await cluster.metadata().casPartition(topic.id, 0, (it) => ({ ...it, inSync }))
    await cluster.brokers.get(first!.broker)!.die()
    await cluster.until(async () => (await cluster.partitions(topic))[0]!.epoch === 1)
    expect((await cluster.partitions(topic))[0]).toMatchObject({ leader: third, inSync })
    expect(second).not.toEqual(third)
  })

  it('gives up its office when another has raised the term', async () => {
    const topic = await running({ partitions: 4 })
    const first = cluster.controller()
    await documentStore(cluster).change(controllerKind, paths.controller, (it) => ({
      ...it,
      term: it.term + 1,
    }))
    await cluster.until(() => living().some((it) => (it.controller!.term ?? 0) > 2))
    expect(cluster.controller().id).not.toBe(first.id)
    await first.die()
    await cluster.until(async () =>
      (await cluster.partitions(topic)).every(({ leader }) => leader!.broker !== first.id),
    )
  })

  it('writes nothing once its session has ended', async () => {
    const topic = await running({ partitions: 20 })
    const first = cluster.controller()
    // Its writes are held up, as by a network or a pause, until another is in office.
    let release = () => {}
    const held = new Promise<void>((resolve) => (release = resolve))
    first.hold = held
    await cluster.brokers.get('b3')!.die()
    await cluster.pass(200)
    await cluster.tree.expire(first.store)
    await cluster.until(async () =>
      (await cluster.partitions(topic)).every(({ inSync }) => inSync.length === 2),
    )
    await cluster.pass(500)
    const before = await cluster.partitions(topic)
    release()
    await cluster.pass(2_000)
    expect(await cluster.partitions(topic)).toEqual(before)
    expect(first.controller!.term).toBeUndefined()
  })
})

describe('leaders', () => {
  it('go back to the preferred replicas once brokers were there for a while', async () => {
    const topic = await running({ partitions: 9 })
    const before = await cluster.partitions(topic)
    await cluster.brokers.get('b2')!.die()
    await cluster.until(async () =>
      (await cluster.partitions(topic)).every(({ leader }) => leader!.broker !== 'b2'),
    )
    await cluster.start('b2')
    await cluster.pass(1_000)
    for (let at = 0; at < 9; at++) {
      await cluster.change(topic.id, at, (document) => ({ ...document, inSync: before[at]!.inSync }))
    }
    await cluster.pass(2_000)
    expect((await cluster.partitions(topic)).some(({ leader }) => leader!.broker === 'b2')).toBe(false)
    await cluster.until(async () => {
      const documents = await cluster.partitions(topic)
      return documents.every(({ leader }, at) => leader!.broker === before[at]!.leader!.broker)
    })
    const asked = living().flatMap(({ handOvers }) => handOvers)
    expect(asked).toHaveLength(before.filter(({ leader }) => leader!.broker === 'b2').length)
    expect(asked.every(({ to }) => to.broker === 'b2' && to.generation === 2)).toBe(true)
    await cluster.until(() =>
      living().every((broker) => broker.toldPartition(topic.id, 0)?.leader !== undefined),
    )
  })

  it('that cannot hand over are left alone for a while', async () => {
    const topic = await running({ partitions: 3 })
    const refused: number[] = []
    for (const broker of living()) {
      broker.onHandOver = ({ partition }) => {
        refused.push(partition)
        throw new PortalError('NOT_ENOUGH_REPLICAS', 'It does not catch up.')
      }
    }
    await cluster.change(topic.id, 0, (document) => {
      return { ...document, replicas: [...document.replicas].reverse() }
    })
    await cluster.until(() => refused.length > 0)
    await cluster.pass(25_000)
    expect(refused).toEqual([0])
    await cluster.until(() => refused.length === 2)
  })
})

describe('moves', () => {
  /** Followers that are to be added catch up at once, as leaders would say. */
  async function catchUp(topicId: string, partitions: number) {
    for (let at = 0; at < partitions; at++) {
      await cluster.change(topicId, at, (document) => {
        const missing = document.target?.filter(
          (replica) => !document.inSync.some(({ broker }) => broker === replica.broker),
        )
        return missing?.length ? { ...document, inSync: [...document.inSync, ...missing] } : undefined
      })
    }
  }

  async function untilMoved(
    topicId: string,
    partitions: number,
    done: () => Promise<boolean>,
    limit = 600_000,
  ) {
    let most = 0
    await cluster.until(async () => {
      await catchUp(topicId, partitions)
      const documents = await cluster.partitions({ id: topicId, partitions } as never)
      most = Math.max(most, documents.filter(({ target }) => target).length)
      return done()
    }, limit)
    return most
  }

  it('give a broker that was added its share when asked to, a few at a time', async () => {
    const topic = await running({ partitions: 24, replicas: 2 })
    await cluster.start('b4')
    await cluster.pass(10_000)
    const load = async () => Workload.of(await cluster.partitions(topic))
    expect((await load()).replicas('b4')).toBe(0)
    expect(await cluster.command({ type: 'rebalance' })).toMatchObject({ type: 'planned' })
    const most = await untilMoved(topic.id, 24, async () => {
      const documents = await cluster.partitions(topic)
      const even = (await load()).replicas('b4') === 12
      const settled = documents.every(({ target, leader, replicas }) => {
        return target === undefined && leader!.broker === replicas[0]!.broker
      })
      return even && settled
    })
    expect(most).toBeLessThanOrEqual(10)
    const after = await load()
    for (const broker of cluster.brokers.keys()) {
      expect(after.replicas(broker)).toBe(12)
      expect(after.leads.get(broker)).toBe(6)
    }
    await cluster.pass(1_000)
    expect(await cluster.command({ type: 'undrain', broker: 'b4' })).toEqual({ type: 'planned', moves: 0 })
  })

  it('are gone on with by the next controller', async () => {
    const topic = await running({ partitions: 40, replicas: 2 }, ['b1', 'b2', 'b3', 'b4'])
    await cluster.start('b5')
    await cluster.pass(200)
    await cluster.command({ type: 'rebalance' })
    await cluster.until(async () => (await cluster.partitions(topic)).some(({ target }) => target))
    const first = cluster.controller()
    // Its office ends, its broker stays.
    await first.reconnect()
    const load = async () =>
      Workload.of((await cluster.partitions(topic)).map((it) => ({ ...it, target: undefined })))
    await untilMoved(topic.id, 40, async () => (await load()).replicas('b5') === 16)
    expect(cluster.controller().controller!.term).toBe(2)
  })

  it('take everything off a drained broker, its leadership too, and bring nothing new', async () => {
    const topic = await running({ partitions: 12, replicas: 2 })
    const answer = await cluster.command({ type: 'drain', broker: 'b2' })
    expect(answer).toEqual({ type: 'planned', moves: 8 })
    await untilMoved(topic.id, 12, async () => {
      const documents = await cluster.partitions(topic)
      return documents.every(({ replicas }) => replicas.every(({ broker }) => broker !== 'b2'))
    })
    const documents = await cluster.partitions(topic)
    expect(documents.every(({ leader, inSync }) => leader!.broker !== 'b2' && inSync.length === 2)).toBe(true)
    await cluster.until(() =>
      living().every((it) => it.told(paths.broker('b2'))?.text?.includes('"drained":true')),
    )
    await expect(cluster.command({ type: 'drain', broker: 'b9' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('b1, b2, b3'),
    })
  })

  it('are given up when the broker that they wait for is gone for long', async () => {
    const topic = await running({ partitions: 2, replicas: 2 })
    await cluster.start('b4')
    await cluster.pass(200)
    const [document] = await cluster.partitions(topic)
    const target = [document!.replicas[0]!, { broker: 'b4', storage: 's-b4' }]
    await cluster.change(topic.id, 0, (it) => ({ ...it, target }))
    await cluster.brokers.get('b4')!.die()
    await cluster.pass(30_000)
    expect((await cluster.partitions(topic))[0]!.target).toEqual(target)
    await cluster.until(async () => (await cluster.partitions(topic))[0]!.target === undefined, 60_000)
    expect((await cluster.partitions(topic))[0]!.replicas).toEqual(document!.replicas)
  })

  it('complete what was made with fewer brokers, as others come', async () => {
    cluster = await FakeCluster.open(['b1'])
    await cluster.until(() => cluster.brokers.get('b1')!.controller!.term !== undefined)
    const topic = await cluster.createTopic('orders', { partitions: 4, replicas: 1, wanted: 3 })
    await cluster.start('b2')
    await cluster.start('b3')
    await untilMoved(topic.id, 4, async () => {
      return (await cluster.partitions(topic)).every(
        ({ replicas, inSync }) => replicas.length === 3 && inSync.length === 3,
      )
    })
  })
})

describe('topics', () => {
  it('that get more partitions are told of', async () => {
    const topic = await running({ partitions: 2 })
    const [document] = await cluster.partitions(topic)
    const added = [2, 3].map((partition) => ({ ...document!, version: undefined, partition }))
    await cluster.metadata().addPartitions('orders', added)
    await cluster.until(() => everyoneKnows(topic.id, 4))
  })

  it('that are deleted leave a tombstone until every broker that ever was holds nothing of them', async () => {
    const topic = await running({ partitions: 2 })
    const holder = cluster.brokers.get('b3')!
    holder.holds.add(topic.id)
    await cluster.brokers.get('b2')!.die()
    await cluster.pass(200)
    await cluster.metadata().deleteTopic('orders', 9)
    const store = cluster.tree.connect()
    await cluster.until(() => living().every((it) => it.told(paths.tombstone(topic.id))?.text))
    await cluster.until(() => living().every((it) => it.told(paths.topic('orders'))?.text === null))
    await cluster.pass(20_000)
    expect(await store.children(paths.tombstones)).toEqual([topic.id])
    holder.holds.delete(topic.id)
    await cluster.pass(20_000)
    // One is still away.
    expect(await store.children(paths.tombstones)).toEqual([topic.id])
    await cluster.start('b2')
    await cluster.until(async () => (await store.children(paths.tombstones)).length === 0)
    // Made again under its name it is another.
    const again = await cluster.createTopic('orders', { id: 'another' })
    await cluster.until(() => everyoneKnows(again.id, 1))
  })

  it('that are gone hold up nothing, whatever comes late of them', async () => {
    const topic = await running({ replicas: 2 })
    const [{ version, ...document }] = (await cluster.partitions(topic)) as [VersionedPartition]
    const target = [...document.replicas].reverse()
    const text = new TextDecoder().decode(
      encodeDocument({ ...document, target }, { writer: 'leader', nonce: '' }),
    )
    await cluster.metadata().deleteTopic('orders', 9)
    const store = cluster.tree.connect()
    await cluster.until(async () => (await store.children(paths.tombstones)).length === 0)
    await cluster.pass(100)
    const path = paths.partition(topic.id, 0)
    cluster.controller().controller!.report([{ path, version: version + 1, text }])
    expect(await cluster.command({ type: 'rebalance' })).toEqual({ type: 'planned', moves: 0 })
    const { broker } = document.replicas.find((it) => it.broker !== cluster.controller().id)!
    await cluster.brokers.get(broker)!.die()
    await cluster.pass(1_000)
    expect(await cluster.command({ type: 'forget', broker })).toEqual({ type: 'forgotten' })
  })

  it('whose deletion was cut short are deleted, whose making was cut short are ended', async () => {
    const topic = await running({ partitions: 2 })
    const { crashing } = await import('./coordination-support.js')
    const { Metadata } = await import('../../src/coordination/metadata.js')
    const broken = (writes: number) =>
      new Metadata(crashing(cluster.tree.connect(), writes), { writer: 'x', random: cluster.runtime.random })
    const store = cluster.tree.connect()
    void broken(1).deleteTopic('orders', 9)
    await cluster.until(async () => (await store.children(paths.topics)).length === 0)
    await cluster.until(async () => (await store.children(paths.tombstones)).length === 0)
    expect(await store.children(`/partitions/${topic.id}`)).toEqual([])

    const document = { ...topic, id: 'half', name: 'half', partitions: 1 }
    const made = { topicId: 'half', partition: 0, epoch: 0, leader: null, replicas: [], inSync: [] }
    void broken(2).createTopic(document, [made])
    await cluster.until(async () => (await store.children(paths.creations)).length === 1)
    await cluster.pass(50_000)
    expect(await store.children(paths.creations)).toEqual(['half'])
    await cluster.until(async () => (await store.children(paths.creations)).length === 0, 60_000)
    await cluster.until(async () => (await store.children('/partitions')).length === 0)
  })

  it('of which a document is missing or unreadable do not keep the others from being led', async () => {
    const topic = await running({ partitions: 3 })
    const store = cluster.tree.connect()
    await store.delete(paths.partition(topic.id, 1))
    const node = await store.read(paths.partition(topic.id, 2))
    await store.compareAndSet(
      paths.partition(topic.id, 2),
      new TextEncoder().encode('rubbish'),
      node!.version,
    )
    await cluster.brokers.get('b1')!.die()
    const metadata = cluster.metadata()
    await cluster.until(async () => (await metadata.readPartition(topic.id, 0))!.inSync.length === 2)
    await cluster.until(() => cluster.errors.length === 2)
    for (const error of cluster.errors.splice(0)) expect(error).toMatchObject({ code: 'CORRUPT' })
  })
})
