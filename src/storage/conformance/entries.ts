import { ENTRY_KINDS } from '../../core/entry.js'
import {
  ALL,
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

/** Appending, removing and reading entries. */
export const entryCases: readonly StorageConformanceCase[] = [
  storageCase(
    'entries of every kind come back as they were, in the order of their indexes',
    async (storage) => {
      const entries = ENTRY_KINDS.map((kind, index) => entry(index, kind, sealed(index, 4 + index * 3_000)))
      await storage.commit([append('a', ...entries)], durable)
      equal(await storage.read('a', ALL), entries, 'the entries')
    },
  ),

  storageCase('the largest numbers come back exactly', async (storage) => {
    const largest = Number.MAX_SAFE_INTEGER - 1
    const big = {
      ...entry(largest),
      epoch: largest,
      baseOffset: largest,
      appendTime: largest,
      safeTime: largest,
    }
    await storage.commit([append('a', big)], durable)
    equal(await storage.read('a', { from: largest, maxBytes: 1 }), [big], 'the entry')
  }),

  storageCase('commits that are not durable are read as well', async (storage) => {
    await storage.commit([append('a', entry(0))], { durable: false })
    equal(await indexes(storage, 'a'), [0], 'the indexes')
  }),

  storageCase('commits under way apply and settle in the order of their calls', async (storage) => {
    const settled: number[] = []
    const commits = Array.from({ length: 200 }, (_, index) =>
      storage
        .commit([append('a', entry(index))], { durable: index % 3 === 0 })
        .then(() => settled.push(index)),
    )
    await Promise.all(commits)
    const rising = Array.from({ length: 200 }, (_, index) => index)
    equal(settled, rising, 'the order of settling')
    equal(await indexes(storage, 'a'), rising, 'the indexes')
  }),

  storageCase('a read sees every commit that was called before it', async (storage) => {
    const commit = storage.commit([append('a', entry(0))], durable)
    equal(await indexes(storage, 'a'), [0], 'the indexes')
    await commit
  }),

  storageCase('the writes of a commit apply in their order', async (storage) => {
    await storage.commit(
      [
        append('a', entry(0), entry(1)),
        { type: 'truncate', log: 'a', from: 1 },
        append('a', entry(1, 'settle')),
      ],
      durable,
    )
    equal(await storage.read('a', ALL), [entry(0), entry(1, 'settle')], 'the entries')
  }),

  storageCase(
    'a commit of which one write does not fit changes nothing, and hinders no other',
    async (storage) => {
      await storage.commit(
        [append('a', entry(0), entry(1)), { type: 'meta', key: 'k', value: sealed(1) }],
        durable,
      )
      const refused = storage.commit(
        [
          { type: 'truncate', log: 'a', from: 1 },
          append('b', entry(0)),
          { type: 'meta', key: 'k', value: undefined },
          { type: 'page', log: 'a', id: 1, payload: sealed(1) },
          append('a', entry(0)),
        ],
        durable,
      )
      const next = storage.commit([append('a', entry(2))], durable)
      await rejection(refused, 'INVALID_ARGUMENT', 'an index that is taken')
      await next
      equal(await indexes(storage, 'a'), [0, 1, 2], 'the indexes')
      equal(await storage.logs(), ['a'], 'the logs')
      equal(await storage.readMeta(''), new Map([['k', sealed(1)]]), 'the values')
      await storage.commit([{ type: 'page', log: 'a', id: 1, payload: sealed(2) }], durable)
    },
  ),

  storageCase('indexes may leave holes, where entries were trimmed, but never fall', async (storage) => {
    await storage.commit([append('a', entry(5), entry(9))], durable)
    await rejection(storage.commit([append('a', entry(9))], durable), 'INVALID_ARGUMENT', 'the same index')
    await rejection(
      storage.commit([append('a', entry(7))], durable),
      'INVALID_ARGUMENT',
      'an index in a hole',
    )
    await rejection(
      storage.commit([append('a', entry(12), entry(11))], durable),
      'INVALID_ARGUMENT',
      'falling',
    )
    equal(await indexes(storage, 'a'), [5, 9], 'the indexes')
  }),

  storageCase('what cannot be an entry is refused', async (storage) => {
    const wrong = [
      entry(-1),
      entry(0.5),
      { ...entry(0), epoch: Number.NaN },
      { ...entry(0), kind: 'nonsense' as 'messages' },
      entry(0, 'messages', new Uint8Array(3)),
    ]
    for (const one of wrong)
      await rejection(storage.commit([append('a', one)], durable), 'INVALID_ARGUMENT', 'it')
    equal(await storage.logs(), [], 'the logs')
  }),

  storageCase('truncating removes the tail, and its indexes are used again', async (storage) => {
    const entries = Array.from({ length: 300 }, (_, index) => entry(index, index % 2 ? 'settle' : 'messages'))
    await storage.commit([append('a', ...entries)], durable)
    await storage.commit([{ type: 'truncate', log: 'a', from: 3 }], durable)
    equal(await indexes(storage, 'a'), [0, 1, 2], 'what is left')
    await storage.commit([append('a', entry(3, 'epoch'))], durable)
    equal((await storage.read('a', ALL)).at(-1), entry(3, 'epoch'), 'the new entry')
  }),

  storageCase(
    'dropping a prefix removes every kind below the index; an empty log starts anywhere',
    async (storage) => {
      const entries = Array.from({ length: 700 }, (_, index) =>
        entry(index, index % 2 ? 'settle' : 'messages'),
      )
      await storage.commit([append('a', ...entries), append('b', entry(0))], durable)
      await storage.commit([{ type: 'drop-prefix', log: 'a', below: 697 }], durable)
      equal(await indexes(storage, 'a'), [697, 698, 699], 'what is left')
      await storage.commit([{ type: 'drop-prefix', log: 'a', below: 10_000 }], durable)
      equal(await storage.logs(), ['b'], 'the logs')
      await storage.commit([append('a', entry(2), entry(3))], durable)
      equal(await indexes(storage, 'a'), [2, 3], 'the new entries')
    },
  ),

  storageCase('dropping state keeps the messages and what is above', async (storage) => {
    const entries = Array.from({ length: 1_200 }, (_, index) =>
      entry(index, index % 3 ? 'settle' : 'messages'),
    )
    await storage.commit([append('a', ...entries)], durable)
    await storage.commit([{ type: 'drop-state', log: 'a', below: 1_000 }], durable)
    const kept = entries.filter(({ kind, index }) => kind === 'messages' || index >= 1_000)
    equal(await storage.read('a', ALL), kept, 'what is left')
  }),

  storageCase('deleting batches keeps other kinds, and what is outside of the range', async (storage) => {
    const entries = Array.from({ length: 300 }, (_, index) => entry(index, index % 3 ? 'messages' : 'settle'))
    await storage.commit([append('a', ...entries)], durable)
    await storage.commit([{ type: 'delete-batches', log: 'a', from: 10, to: 250 }], durable)
    const kept = entries.filter(({ kind, index }) => kind !== 'messages' || index < 10 || index >= 250)
    equal(await storage.read('a', ALL), kept, 'what is left')
    await storage.commit([append('a', entry(300))], durable)
    equal((await storage.read('a', ALL)).at(-1), entry(300), 'the next entry')
  }),

  storageCase('removals reach no entry that is appended after them', async (storage) => {
    const entries = Array.from({ length: 400 }, (_, index) => entry(index))
    await storage.commit([append('a', ...entries)], durable)
    await storage.commit([{ type: 'delete-batches', log: 'a', from: 0, to: 100_000 }], durable)
    await storage.commit([append('a', entry(300), entry(500))], durable)
    equal(await indexes(storage, 'a'), [300, 500], 'the indexes')
  }),

  storageCase('removing from a log that holds nothing does nothing', async (storage) => {
    await storage.commit(
      [
        { type: 'truncate', log: 'a', from: 0 },
        { type: 'drop-prefix', log: 'a', below: 5 },
        { type: 'drop-state', log: 'a', below: 5 },
        { type: 'delete-batches', log: 'a', from: 0, to: 5 },
        { type: 'drop-pages', log: 'a', ids: [1] },
        { type: 'delete-log', log: 'a' },
      ],
      durable,
    )
    equal(await storage.logs(), [], 'the logs')
  }),

  storageCase(
    'a read keeps to its range, its kinds and its bytes, and returns one at least',
    async (storage) => {
      const entries = Array.from({ length: 20 }, (_, index) =>
        entry(index, index % 2 ? 'settle' : 'messages', sealed(index, 100)),
      )
      await storage.commit([append('a', ...entries)], durable)
      const read = async (range: Parameters<typeof storage.read>[1]) =>
        (await storage.read('a', range)).map(({ index }) => index)
      equal(await read({ from: 3, to: 6, maxBytes: 10_000 }), [3, 4, 5], 'a range')
      equal(await read({ from: 3, to: 3, maxBytes: 10_000 }), [], 'an empty range')
      equal(await read({ from: 3, maxBytes: 0 }), [3], 'no bytes')
      equal(await read({ from: 3, maxBytes: 250 }), [3, 4, 5], 'some bytes')
      equal(await read({ from: 3, to: 9, maxBytes: 10_000, kinds: 'messages' }), [4, 6, 8], 'messages only')
      equal(await read({ from: 20, maxBytes: 10_000 }), [], 'past the end')
      equal(await storage.read('no such log', ALL), [], 'a log that is not there')
    },
  ),

  storageCase('logs keep apart, whatever their names', async (storage) => {
    const names = ['a', 'A', 'a/0', 'ä', "o'clock", '☃'.repeat(100)]
    await storage.commit(
      names.map((name, at) => append(name, entry(at))),
      durable,
    )
    equal((await storage.logs()).sort(), [...names].sort(), 'the names')
    for (const [at, name] of names.entries()) equal(await indexes(storage, name), [at], name)
  }),

  storageCase('a payload that does not match its seal is refused when it is read', async (storage) => {
    const broken = sealed(1, 100)
    broken[50]! ^= 1
    await storage.commit([append('a', entry(0), entry(1, 'messages', broken))], durable)
    await rejection(storage.read('a', ALL), 'CORRUPT', 'the broken entry')
    equal((await storage.read('a', { from: 0, to: 1, maxBytes: 1 })).length, 1, 'the intact one')
  }),
]
