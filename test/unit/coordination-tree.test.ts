import { describe, expect, it } from 'vitest'
import { inProcessCoordination } from '../../src/coordination/memory.js'
import { decodeNode, encodeNode } from '../../src/coordination/node-codec.js'
import { PortalError } from '../../src/core/errors.js'
import { FakeDisk, openTree } from './coordination-support.js'

const data = (text: string) => new TextEncoder().encode(text)

/** A disk whose saves are done when told. */
function heldDisk() {
  const disk = new FakeDisk()
  const release: (() => void)[] = []
  disk.onSave = () => new Promise<void>((resolve) => void release.push(resolve))
  return {
    disk,
    async finishSave() {
      while (release.length === 0) await undefined
      release.shift()?.()
    },
  }
}

describe('group commit', () => {
  it('saves the operations of one turn as one', async () => {
    const disk = new FakeDisk()
    const store = (await openTree(disk)).connect()
    await Promise.all(Array.from({ length: 1_000 }, (_, n) => store.create(`/p/${n}`, data(`${n}`))))
    expect(disk.saves).toHaveLength(1)
    expect(disk.nodes.size).toBe(1_001)
  })

  it('saves together what waits while a save is under way', async () => {
    const { disk, finishSave } = heldDisk()
    const store = (await openTree(disk)).connect()
    const first = store.create('/a', data(''))
    const waiting: Promise<unknown>[] = []
    for (let n = 0; n < 10; n++) {
      await undefined
      waiting.push(store.create(`/b${n}`, data('')))
    }
    await finishSave()
    await first
    await finishSave()
    await Promise.all(waiting)
    expect(disk.saves).toHaveLength(2)
  })

  it('saves nothing for reads, ephemeral nodes and writes that fail', async () => {
    const disk = new FakeDisk()
    const store = (await openTree(disk)).connect()
    await store.create('/p/x', data(''))
    await store.create('/p/e', data(''), { ephemeral: true })
    await store.compareAndSet('/p/e', data('1'), 0)
    await store.compareAndSet('/p/x', data('1'), 5)
    await store.delete('/p')
    await store.delete('/p/e')
    await store.read('/p/x')
    expect(disk.saves).toHaveLength(1)
  })

  it('keeps an ephemeral node off the disk, and its parents on it', async () => {
    const disk = new FakeDisk()
    const store = (await openTree(disk)).connect()
    await store.create('/locks/x/n', data('secret'), { ephemeral: true, sequential: true })
    expect([...disk.nodes.keys()].sort()).toEqual(['/locks', '/locks/x'])
  })
})

describe('nothing is acknowledged or shown before it is saved', () => {
  it('holds back the answer, reads of any session, and watchers', async () => {
    const { disk, finishSave } = heldDisk()
    const tree = await openTree(disk)
    const [store, other] = [tree.connect(), tree.connect()]
    const seen: string[] = []
    other.watch('/a', () => seen.push('watched'))
    const writing = store.create('/a', data('')).then(() => seen.push('created'))
    for (let n = 0; n < 50; n++) await undefined
    const reading = other.read('/a').then((node) => seen.push(node ? 'read' : 'missed'))
    for (let n = 0; n < 50; n++) await undefined
    expect(seen).toEqual([])
    await finishSave()
    await Promise.all([writing, reading])
    expect(seen.sort()).toEqual(['created', 'read', 'watched'])
  })

  it('acknowledges nothing after a save has failed (invariant 13)', async () => {
    const disk = new FakeDisk()
    const store = (await openTree(disk)).connect()
    await store.create('/kept', data(''))
    disk.onSave = () => Promise.reject(new Error('EIO'))
    const outcomes = await Promise.allSettled([store.create('/a', data('')), store.read('/kept')])
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(outcomes[0]).toMatchObject({ reason: { code: 'STORAGE_FAILED', cause: { message: 'EIO' } } })
    expect(store.session.lost.aborted).toBe(true)
    disk.onSave = async () => {}
    await expect(store.create('/b', data(''))).rejects.toMatchObject({ code: 'CLOSED' })
    expect(disk.saves).toHaveLength(2)
    await store.close()
    await store.close()
  })

  it('passes on what the storage says of the failure', async () => {
    const disk = new FakeDisk()
    const store = (await openTree(disk)).connect()
    disk.onSave = () => Promise.reject(new PortalError('STORAGE_FULL', 'Full.'))
    await expect(store.create('/a', data(''))).rejects.toMatchObject({ code: 'STORAGE_FULL' })
  })
})

describe('opening', () => {
  it('refuses a node that was damaged, or that a newer build wrote', async () => {
    const disk = new FakeDisk()
    const open = () => inProcessCoordination()({ persistence: disk })
    await (await open()).create('/a', data('precious'))
    const good = disk.nodes.get('/a')!
    for (let at = 0; at < good.length; at++) {
      const damaged = good.slice()
      damaged[at]! ^= 0x10
      disk.nodes.set('/a', damaged)
      await expect(open(), `byte ${at}`).rejects.toMatchObject({ code: 'CORRUPT' })
    }
    disk.nodes.set('/a', good)
    expect((await (await open()).read('/a'))?.version).toBe(0)
  })

  it('refuses nodes whose parent was lost, rather than to forget them (invariant 11)', async () => {
    const disk = new FakeDisk()
    await (await openTree(disk)).connect().create('/a/b/c', data(''))
    disk.nodes.delete('/a/b')
    await expect(openTree(disk)).rejects.toMatchObject({ code: 'CORRUPT' })
  })

  it('reads back what was written, numbers beyond 32 bits too', () => {
    const node = { data: data('x'), version: 2 ** 40, nextNumber: 2 ** 33 }
    expect(decodeNode('/a', encodeNode(node))).toEqual(node)
  })

  it('is quick for 20,000 nodes', async () => {
    const disk = new FakeDisk()
    const store = (await openTree(disk)).connect()
    await Promise.all(
      Array.from({ length: 20_000 }, (_, n) => store.create(`/p/${n}`, data('x'.repeat(200)))),
    )
    const started = performance.now()
    const again = (await openTree(disk)).connect()
    expect(await again.children('/p')).toHaveLength(20_000)
    expect(performance.now() - started).toBeLessThan(3_000)
  })
})

describe('a session that expires', () => {
  it('loses its ephemeral nodes, then hears of it', async () => {
    const tree = await openTree()
    const [store, other] = [tree.connect(), tree.connect()]
    await store.create('/e', data(''), { ephemeral: true })
    await other.create('/f', data(''), { ephemeral: true })
    const expired = tree.expire(store)
    // Neither applied nor known to be refused: the store might have been cut off a moment later.
    await expect(store.create('/late', data(''))).rejects.toMatchObject({ code: 'DISCONNECTED' })
    await expired
    expect(store.session.lost.aborted).toBe(true)
    expect(await other.children('/')).toEqual(['f'])
    await expect(store.read('/f')).rejects.toMatchObject({ code: 'CLOSED' })
    expect(other.session.lost.aborted).toBe(false)
    await store.close()
  })

  it('calls no watcher any more', async () => {
    const tree = await openTree()
    const [store, other] = [tree.connect(), tree.connect()]
    let calls = 0
    store.watch('/a', () => calls++)
    await tree.expire(store)
    await other.create('/a', data(''))
    expect(calls).toBe(0)
  })
})
