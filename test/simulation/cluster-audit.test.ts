import { crc32 } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { encodeDocument } from '../../src/coordination/document-codec.js'
import {
  type PartitionDocument,
  paths,
  type ReplicaName,
  type TopicDocument,
} from '../../src/coordination/documents.js'
import type { StoredEntry } from '../../src/core/entry.js'
import { encodeBody } from '../../src/core/entry-codec.js'
import { PartitionState } from '../../src/core/partition-state.js'
import { RecordBatchBuilder } from '../../src/core/record-batch-builder.js'
import { encodeSnapshot, SnapshotBook } from '../../src/core/snapshot.js'
import type { Write } from '../../src/storage/storage.js'
import { ClusterAudit } from './cluster-audit.js'
import { Disk } from './disk.js'
import { Ensemble } from './ensemble.js'
import { Scheduler } from './scheduler.js'
import { Trace } from './trace.js'

const LOG = 'topic/0'
const NAMES = ['a', 'b', 'c']
const replica = (broker: string): ReplicaName => ({ broker, storage: `disk of ${broker}` })

/** Three disks and a document, written by hand. */
class Scene {
  readonly scheduler = new Scheduler(1)
  readonly ensemble = new Ensemble(this.scheduler)
  readonly trace = new Trace(() => this.scheduler.now)
  readonly audit = new ClusterAudit({
    trace: this.trace,
    ensemble: this.ensemble,
    now: () => this.scheduler.now,
    latestTime: () => this.scheduler.latestTime,
    happened: () => {},
    maxDeliveries: () => 3,
    fail: (violation) => this.scheduler.fail(violation),
  })
  readonly disks = new Map<string, Disk>()
  readonly watchers = new Map<string, ReturnType<ClusterAudit['watch']>>()
  #version = -1

  static async make(): Promise<Scene> {
    const scene = new Scene()
    await scene.document({ epoch: 1, leader: 'a', inSync: NAMES })
    return scene
  }

  private constructor() {
    for (const name of NAMES) {
      const watcher = this.audit.watch(name, () => disk)
      const disk: Disk = new Disk(this.scheduler, this.trace, watcher)
      this.watchers.set(name, watcher)
      this.disks.set(name, disk)
      const value = new TextEncoder().encode(JSON.stringify({ storageId: `disk of ${name}` }))
      disk.write([{ type: 'meta', key: 'broker', value }])
    }
  }

  /** Throws what the audit finds. */
  async document(change: {
    epoch: number
    leader: string
    inSync: readonly string[]
    replicas?: readonly string[]
  }): Promise<void> {
    const document: PartitionDocument = {
      topicId: 'topic',
      partition: 0,
      epoch: change.epoch,
      leader: replica(change.leader),
      replicas: (change.replicas ?? NAMES).map(replica),
      inSync: change.inSync.map(replica),
    }
    const data = encodeDocument(document, { writer: 'w', nonce: 'n' })
    const path = paths.partition('topic', 0)
    this.ensemble.write((nodes) =>
      this.#version < 0
        ? nodes.create(path, { data, owner: undefined, sequential: false })
        : nodes.compareAndSet(path, data, this.#version),
    )
    this.#version++
    // What observers find is thrown by the next step.
    this.scheduler.after(0, () => {})
    await this.scheduler.step()
  }

  /** The topic comes to be, where two disks must have what is acknowledged. */
  topic(): void {
    const config = {
      replicas: 3,
      minInSync: 2,
      maxMessageBytes: 1,
      retention: { after: 0 },
      dedupe: { window: 0, ids: 0 },
    }
    const topic: TopicDocument = { id: 'topic', name: 'orders', createdAt: 0, partitions: 1, config }
    const data = encodeDocument(topic, { writer: 'w', nonce: 'n' })
    this.ensemble.write((nodes) =>
      nodes.create(paths.topic('orders'), { data, owner: undefined, sequential: false }),
    )
  }

  /** The topic is deleted. */
  async remove(): Promise<void> {
    const create = { data: new Uint8Array(0), owner: undefined, sequential: false }
    this.ensemble.write((nodes) => nodes.create(paths.tombstone('topic'), create))
    this.ensemble.write((nodes) => nodes.delete(paths.partition('topic', 0), this.#version))
    this.scheduler.after(0, () => {})
    await this.scheduler.step()
  }

  write(names: readonly string[], writes: readonly Write[]): void {
    for (const name of names) this.disks.get(name)!.write(writes)
  }

  append(names: readonly string[], ...places: readonly (readonly [index: number, epoch: number])[]): void {
    this.write(names, [
      { type: 'append', log: LOG, entries: places.map(([index, epoch]) => entry(index, epoch)) },
    ])
  }

  sync(...names: readonly string[]): void {
    for (const name of names) this.disks.get(name)!.sync()
  }

  /** Bytes of its log change, and it throws it away. */
  rots(name: string): void {
    const disk = this.disks.get(name)!
    disk.rot(LOG)
    disk.write([
      { type: 'meta', key: `installing:${LOG}`, value: new Uint8Array([1]) },
      { type: 'delete-log', log: LOG },
    ])
    disk.sync()
  }

  /** It takes what it has instead for all that is committed. */
  isWhole(name: string): void {
    this.write([name], [{ type: 'meta', key: `installing:${LOG}`, value: undefined }])
    this.sync(name)
  }

  shows(epoch: number, highWatermark: number): void {
    const result = {
      type: 'entries',
      topicId: 'topic',
      partition: 0,
      entries: [],
      highWatermark,
      round: 0,
      documentVersion: 0,
    } as const
    this.audit.fetched('a', new Map([[LOG, epoch]]), { results: [result] })
  }

  get committed(): number {
    return this.audit.ledger.audit(LOG).entries.length
  }
}

function entry(index: number, epoch: number): StoredEntry {
  return {
    index,
    epoch,
    kind: 'epoch',
    version: 1,
    baseOffset: 0,
    count: 0,
    appendTime: 1,
    safeTime: 1,
    payload: encodeBody({ kind: 'epoch', leader: 'somebody' }, crc32),
  }
}

function message(index: number, offset: number): StoredEntry {
  const builder = new RecordBatchBuilder(crc32)
  builder.tryAppend({ contentType: 'text', value: `a#${offset}`, timestamp: 1 })
  const payload = builder.seal('', 0, 0)
  return { ...entry(index, 1), kind: 'messages', baseOffset: offset, count: 1, payload }
}

describe('the audit of a cluster', () => {
  it('takes for committed what was shown, once all replicas in sync have fsynced it', async () => {
    const scene = await Scene.make()
    scene.append(NAMES, [0, 1])
    scene.sync(...NAMES)
    expect(scene.committed).toBe(0)
    scene.shows(1, 1)
    expect(scene.committed).toBe(1)
    scene.append(['a', 'b'], [1, 1])
    scene.sync('a', 'b')
    await scene.document({ epoch: 1, leader: 'a', inSync: ['a', 'b'] })
    scene.shows(1, 2)
    expect(scene.committed).toBe(2)
  })

  it('lets a replica join that lacks what was on all disks and nobody was shown', async () => {
    const scene = await Scene.make()
    await scene.document({ epoch: 1, leader: 'a', inSync: ['a', 'b'] })
    scene.append(['a', 'b'], [0, 1])
    scene.sync('a', 'b')
    await scene.document({ epoch: 1, leader: 'a', inSync: NAMES })
    scene.sync('c')
    await scene.document({ epoch: 2, leader: 'c', inSync: ['b', 'c'] })
    scene.write(['b'], [{ type: 'truncate', log: LOG, from: 0 }])
    scene.append(['b', 'c'], [0, 2])
    scene.sync('b', 'c')
    scene.shows(2, 1)
    expect(scene.committed).toBe(1)
  })

  it('lets a deposed leader write on, and a follower truncate what was not committed', async () => {
    const scene = await Scene.make()
    scene.append(NAMES, [0, 1])
    scene.sync(...NAMES)
    scene.shows(1, 1)
    await scene.document({ epoch: 2, leader: 'b', inSync: ['b', 'c'] })
    scene.append(['b', 'c'], [1, 2])
    scene.sync('b', 'c')
    scene.shows(2, 2)
    scene.append(['a'], [1, 1], [2, 1])
    scene.write(['a'], [{ type: 'truncate', log: LOG, from: 1 }])
    scene.append(['a'], [1, 2])
    scene.sync('a')
    await scene.document({ epoch: 2, leader: 'b', inSync: NAMES })
    expect(scene.audit.unequal()).toBeUndefined()
    scene.audit.check()
  })

  it('finds what is shown as committed and is not fsynced everywhere', async () => {
    const scene = await Scene.make()
    scene.append(NAMES, [0, 1])
    scene.sync('a', 'b')
    expect(() => scene.shows(1, 1)).toThrow('[3]')
  })

  it('finds a deposed leader that shows more than the next one did', async () => {
    const scene = await Scene.make()
    scene.append(NAMES, [0, 1], [1, 1], [2, 1])
    scene.sync(...NAMES)
    scene.shows(1, 3)
    await scene.document({ epoch: 2, leader: 'b', inSync: NAMES })
    scene.append(NAMES, [3, 2], [4, 2])
    scene.sync(...NAMES)
    scene.shows(2, 4)
    expect(() => scene.shows(1, 5)).toThrow('[7]')
  })

  it('finds a new leader that lacks what was committed', async () => {
    const scene = await Scene.make()
    scene.append(NAMES, [0, 1])
    scene.append(['a', 'b'], [1, 1])
    scene.sync(...NAMES)
    await scene.document({ epoch: 1, leader: 'a', inSync: ['a', 'b'] })
    scene.shows(1, 2)
    await expect(scene.document({ epoch: 2, leader: 'c', inSync: ['c', 'b'] })).rejects.toThrow('[4]')
  })

  it('finds a replica in sync that truncates what was committed, and a leader that writes over it', async () => {
    const scene = await Scene.make()
    scene.append(NAMES, [0, 1], [1, 1])
    scene.sync(...NAMES)
    scene.shows(1, 2)
    await scene.document({ epoch: 2, leader: 'b', inSync: NAMES })
    expect(() => scene.write(['b'], [{ type: 'truncate', log: LOG, from: 1 }])).toThrow('[6]')
    expect(() => scene.append(['b'], [1, 2])).toThrow('[4]')
  })

  it('finds replicas that join without having caught up', async () => {
    const scene = await Scene.make()
    await scene.document({ epoch: 1, leader: 'a', inSync: ['a'] })
    scene.append(['a'], [0, 1])
    scene.sync('a')
    scene.shows(1, 1)
    await expect(scene.document({ epoch: 1, leader: 'a', inSync: ['a', 'b'] })).rejects.toThrow('[8]')
  })

  it('finds an epoch with two writers', async () => {
    const scene = await Scene.make()
    scene.append(['b'], [0, 1])
    expect(() => scene.audit.check()).toThrow('[1]')
    expect(() => scene.append(['a'], [0, 2])).toThrow('[1]')
  })

  it('finds another entry at the same place in the same epoch', async () => {
    const scene = await Scene.make()
    scene.append(['a'], [0, 1])
    const other = { ...entry(0, 1), appendTime: 2 }
    expect(() => scene.write(['b'], [{ type: 'append', log: LOG, entries: [other] }])).toThrow('[1, 5]')
  })

  it('finds a leader written without a new epoch', async () => {
    const scene = await Scene.make()
    await expect(scene.document({ epoch: 1, leader: 'b', inSync: NAMES })).rejects.toThrow('[1]')
  })

  it('finds entries that a loss of power took from a replica in sync after they were committed', async () => {
    const scene = await Scene.make()
    scene.append(NAMES, [0, 1])
    // An fsync that did nothing.
    for (const name of NAMES) scene.watchers.get(name)!.synced!()
    scene.shows(1, 1)
    scene.disks.get('a')!.losePower()
    expect(() => scene.watchers.get('a')!.restarted()).toThrow('[3]')
  })

  it('finds a log that is deleted without a tombstone', async () => {
    const scene = await Scene.make()
    scene.append(NAMES, [0, 1])
    expect(() => scene.write(['b'], [{ type: 'delete-log', log: LOG }])).toThrow('[11]')
  })

  it('finds a snapshot of what is not committed, unless the topic is gone', async () => {
    const scene = await Scene.make()
    scene.topic()
    scene.append(['a'], [0, 1])
    const state = new PartitionState()
    state.apply(entry(0, 1), { kind: 'epoch', leader: 'somebody' })
    const header = encodeSnapshot(state, new SnapshotBook(), crc32)
    const pages = header.newPages.map((page): Write => ({ type: 'page', log: LOG, ...page }))
    scene.write(['a'], [...pages, { type: 'snapshot', log: LOG, header }])
    expect(() => scene.audit.check()).toThrow('[5]')
    await scene.remove()
    scene.write(['a'], [{ type: 'delete-log', log: LOG }])
    scene.audit.check()
  })

  it('takes for committed what one in sync had until its disk rotted, and another has only now', async () => {
    const scene = await Scene.make()
    const entries = [entry(0, 1), message(1, 0)]
    scene.write(['a', 'b'], [{ type: 'append', log: LOG, entries }])
    scene.sync('a', 'b')
    scene.rots('b')
    scene.write(['c'], [{ type: 'append', log: LOG, entries }])
    scene.sync('c')
    scene.shows(1, 2)
    expect(scene.committed).toBe(2)
  })

  it('finds what a follower has and its leader never wrote, unless the topic is gone', async () => {
    const scene = await Scene.make()
    scene.topic()
    scene.append(['b'], [0, 1])
    expect(() => scene.audit.check()).toThrow('[1]')
    await scene.remove()
    scene.write(['b'], [{ type: 'delete-log', log: LOG }])
    scene.audit.check()
  })

  it('counts a disk that had what is acknowledged, and has thrown it away since it rots', async () => {
    const scene = await Scene.make()
    scene.topic()
    await scene.document({ epoch: 1, leader: 'a', inSync: ['a', 'b'] })
    const entries = [entry(0, 1), message(1, 0)]
    scene.write(['a', 'b'], [{ type: 'append', log: LOG, entries }])
    scene.sync('a', 'b')
    scene.shows(1, 2)
    const b = scene.disks.get('b')!
    const distrust: Write = { type: 'meta', key: `installing:${LOG}`, value: new Uint8Array([1]) }
    const remove: Write = { type: 'delete-log', log: LOG }
    b.rot(LOG)
    b.write([distrust])
    b.write([remove])
    b.sync()
    scene.audit.ledger.sent(LOG, 0)
    // It has all again, and rots again.
    b.write([
      { type: 'append', log: LOG, entries },
      { ...distrust, value: undefined },
    ])
    scene.write(['a', 'b'], [{ type: 'append', log: LOG, entries: [message(2, 1)] }])
    scene.sync('a', 'b')
    scene.shows(1, 3)
    b.rot(LOG)
    b.write([remove, distrust])
    b.sync()
    for (const offset of [0, 1]) scene.audit.ledger.sent(LOG, offset)
  })

  it('excuses one in sync whose disk rotted until it has all again: what it loses later is a loss', async () => {
    const scene = await Scene.make()
    scene.append(NAMES, [0, 1], [1, 1])
    scene.sync(...NAMES)
    scene.shows(1, 2)
    scene.rots('b')
    scene.append(['b'], [0, 1], [1, 1])
    scene.sync('b')
    scene.isWhole('b')
    for (const index of [2, 3, 4]) scene.append(NAMES, [index, 1])
    // An fsync that did nothing.
    for (const name of NAMES) scene.watchers.get(name)!.synced!()
    scene.shows(1, 5)
    scene.disks.get('b')!.losePower()
    expect(() => scene.watchers.get('b')!.restarted()).toThrow('[3]')
  })

  it('excuses it still while it lacks what it had and nobody was shown: its leader may count on that', async () => {
    const scene = await Scene.make()
    scene.append(['a', 'b'], [0, 1], [1, 1])
    scene.append(['c'], [0, 1])
    scene.sync(...NAMES)
    scene.shows(1, 1)
    scene.rots('b')
    scene.append(['b'], [0, 1])
    scene.sync('b')
    scene.isWhole('b')
    scene.append(['c'], [1, 1])
    scene.sync('c')
    scene.shows(1, 2)
    expect(scene.committed).toBe(2)
  })

  it('excuses it no more once what it had has given way to a later epoch', async () => {
    const scene = await Scene.make()
    scene.append(NAMES, [0, 1])
    scene.append(['b'], [1, 1])
    scene.sync(...NAMES)
    scene.rots('b')
    await scene.document({ epoch: 2, leader: 'c', inSync: NAMES })
    scene.append(['c'], [1, 2])
    scene.append(['b'], [0, 1], [1, 2])
    scene.sync('b', 'c')
    scene.isWhole('b')
    expect(() => scene.write(['b'], [{ type: 'delete-log', log: LOG }])).toThrow('[11]')
  })

  it('finds one in sync whose disk rotted that calls itself whole before it has all that is committed', async () => {
    const scene = await Scene.make()
    scene.append(NAMES, [0, 1], [1, 1])
    scene.sync(...NAMES)
    scene.shows(1, 2)
    scene.rots('b')
    scene.append(['b'], [0, 1])
    scene.sync('b')
    expect(() => scene.isWhole('b')).toThrow('[9]')
  })

  it('finds what is acknowledged and too few disks ever had safely', async () => {
    const scene = await Scene.make()
    scene.topic()
    await scene.document({ epoch: 1, leader: 'a', inSync: ['a', 'b'] })
    scene.append(['a', 'b'], [0, 1])
    scene.sync('a', 'b')
    await scene.document({ epoch: 1, leader: 'a', inSync: ['a'] })
    scene.write(['a', 'b'], [{ type: 'append', log: LOG, entries: [message(1, 0)] }])
    scene.sync('a')
    scene.shows(1, 2)
    const b = scene.disks.get('b')!
    b.rot(LOG)
    b.write([{ type: 'delete-log', log: LOG }])
    b.sync()
    expect(() => scene.audit.ledger.sent(LOG, 0)).toThrow('[3]')
  })

  it('finds what a disk has and the document does not give it', async () => {
    const scene = await Scene.make()
    scene.append(NAMES, [0, 1])
    scene.sync(...NAMES)
    expect(scene.audit.unequal()).toBeUndefined()
    await scene.document({ epoch: 1, leader: 'a', inSync: ['a', 'b'], replicas: ['a', 'b'] })
    expect(scene.audit.unequal()).toBe('c still has topic/0, which is elsewhere')
    scene.write(['c'], [{ type: 'delete-log', log: LOG }])
    expect(scene.audit.unequal()).toBeUndefined()
  })

  it('finds a document that is gone without a tombstone', async () => {
    const scene = await Scene.make()
    scene.topic()
    scene.ensemble.write((nodes) => nodes.delete(paths.partition('topic', 0), undefined))
    scene.scheduler.after(0, () => {})
    await expect(scene.scheduler.step()).rejects.toThrow('[11]')
  })
})
