import type { Write } from '../storage.js'
import {
  append,
  entry,
  equal,
  indexes,
  rejection,
  type StorageConformanceCase,
  sealed,
  storageCase,
} from './support.js'

const durable = { durable: true }

function page(id: number, mark = id): Write {
  return { type: 'page', log: 'a', id, payload: sealed(mark, 5_000) }
}

function snapshot(index: number, pages: number[]): Write {
  return { type: 'snapshot', log: 'a', header: { index, epoch: index * 2, pages, payload: sealed(index) } }
}

/** Snapshots, their pages, whole logs, and named values. */
export const snapshotCases: readonly StorageConformanceCase[] = [
  storageCase('a snapshot comes back with its pages in the order that its header gives', async (storage) => {
    equal(await storage.readSnapshot('a'), undefined, 'before')
    await storage.commit([page(3), page(1), page(2), snapshot(9, [2, 3, 1])], durable)
    const pages = [sealed(2, 5_000), sealed(3, 5_000), sealed(1, 5_000)]
    const header = { index: 9, epoch: 18, pages: [2, 3, 1], payload: sealed(9) }
    equal(await storage.readSnapshot('a'), { header, pages, strayPages: [] }, 'the snapshot')
  }),

  storageCase(
    'pages stored beside a published snapshot do not change it until the next is published',
    async (storage) => {
      await storage.commit([page(1), page(2), snapshot(9, [1, 2])], durable)
      await storage.commit([page(3)], durable)
      const before = await storage.readSnapshot('a')
      equal(before?.header.index, 9, 'the old header')
      equal(before?.strayPages, [3], 'the page that no header names yet')
      await storage.commit([snapshot(20, [1, 3]), { type: 'drop-pages', log: 'a', ids: [2] }], durable)
      const after = await storage.readSnapshot('a')
      equal(after?.header.pages, [1, 3], 'the new pages')
      equal(after?.strayPages, [], 'no strays')
    },
  ),

  storageCase('pages are told also of a log that has no snapshot yet', async (storage) => {
    equal(await storage.pageIds('a'), [], 'before')
    await storage.commit([page(3), page(1)], durable)
    equal(await storage.readSnapshot('a'), undefined, 'no header')
    equal(await storage.pageIds('a'), [1, 3], 'the pages')
    await storage.commit([snapshot(9, [1])], durable)
    equal(await storage.pageIds('a'), [1, 3], 'named or not')
  }),

  storageCase('a snapshot without pages, and one of a thousand', async (storage) => {
    await storage.commit([snapshot(1, [])], durable)
    equal((await storage.readSnapshot('a'))?.pages, [], 'none')
    const ids = Array.from({ length: 1_000 }, (_, id) => id)
    await storage.commit([...ids.map((id) => page(id)), snapshot(2, ids)], durable)
    equal((await storage.readSnapshot('a'))?.pages.length, 1_000, 'all')
  }),

  storageCase('a page id is used once, and a snapshot names stored pages only', async (storage) => {
    await storage.commit([page(1), page(2), snapshot(5, [1])], durable)
    await rejection(storage.commit([page(1, 9)], durable), 'INVALID_ARGUMENT', 'a page id that is taken')
    await rejection(
      storage.commit([snapshot(6, [1, 7])], durable),
      'INVALID_ARGUMENT',
      'a page that is missing',
    )
    const drop: Write = { type: 'drop-pages', log: 'a', ids: [2, 1] }
    await rejection(storage.commit([drop], durable), 'INVALID_ARGUMENT', 'dropping a page in use')
    const kept = await storage.readSnapshot('a')
    equal([kept?.header.index, kept?.pages, kept?.strayPages], [5, [sealed(1, 5_000)], [2]], 'the snapshot')
  }),

  storageCase('a page that does not match its seal is refused when it is read', async (storage) => {
    const payload = sealed(1, 100)
    payload[99]! ^= 1
    await storage.commit([{ type: 'page', log: 'a', id: 1, payload }, snapshot(5, [1])], durable)
    await rejection(storage.readSnapshot('a'), 'CORRUPT', 'the snapshot')
  }),

  storageCase('deleting a log removes all of it, and its name can be used anew', async (storage) => {
    const entries = Array.from({ length: 500 }, (_, index) => entry(index, index % 2 ? 'settle' : 'messages'))
    await storage.commit([append('a', ...entries), append('b', entry(4)), page(1), snapshot(5, [1])], durable)
    await storage.commit([{ type: 'delete-log', log: 'a' }], durable)
    equal(await storage.logs(), ['b'], 'the logs')
    equal(await indexes(storage, 'a'), [], 'its entries')
    equal(await storage.readSnapshot('a'), undefined, 'its snapshot')
    await storage.commit([append('a', entry(3)), page(1), { type: 'delete-log', log: 'b' }], durable)
    equal(await indexes(storage, 'a'), [3], 'the entries of the new log')
    equal(await storage.logs(), ['a'], 'the logs')
  }),

  storageCase('a log deleted and made again in one commit holds what came after', async (storage) => {
    await storage.commit([append('a', entry(7))], durable)
    await storage.commit([{ type: 'delete-log', log: 'a' }, append('a', entry(1, 'epoch'))], durable)
    equal(await indexes(storage, 'a'), [1], 'the indexes')
  }),

  storageCase('logs are listed while they hold entries, pages or a header', async (storage) => {
    await storage.commit(
      [append('a', entry(0)), { type: 'page', log: 'b', id: 1, payload: sealed(1) }],
      durable,
    )
    equal((await storage.logs()).sort(), ['a', 'b'], 'the logs')
    await storage.commit(
      [
        { type: 'drop-pages', log: 'b', ids: [1] },
        { type: 'truncate', log: 'a', from: 0 },
      ],
      durable,
    )
    equal(await storage.logs(), [], 'no logs')
  }),

  storageCase('named values are set, replaced, removed and found by prefix', async (storage) => {
    const set = (key: string, value: Uint8Array | undefined): Write => ({ type: 'meta', key, value })
    await storage.commit(
      [
        set('node/a', sealed(1)),
        set('node/b', new Uint8Array(0)),
        set('nodes', sealed(3)),
        set('x%', sealed(4)),
      ],
      durable,
    )
    await storage.commit(
      [set('node/a', sealed(5)), set('nodes', undefined), set('absent', undefined)],
      durable,
    )
    const values = new Map([
      ['node/a', sealed(5)],
      ['node/b', new Uint8Array(0)],
    ])
    equal(await storage.readMeta('node/'), values, 'the prefix')
    equal((await storage.readMeta('')).size, 3, 'all')
    equal(await storage.readMeta('node/a/'), new Map(), 'nothing')
  }),
]
