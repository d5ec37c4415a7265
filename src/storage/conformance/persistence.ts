import { ALL, append, entry, equal, type StorageConformanceCase, sealed } from './support.js'

const durable = { durable: true }

/** For storages with a disk. */
export const persistenceCases: readonly StorageConformanceCase[] = [
  {
    name: 'everything is there again after closing and opening',
    async run(open) {
      const entries = [entry(0), entry(1, 'settle'), entry(2, 'messages', sealed(2, 100_000))]
      const first = await open()
      await first.commit([append('a', ...entries), append('b', entry(9, 'epoch'))], { durable: false })
      const header = { index: 2, epoch: 1, pages: [4], payload: sealed(3) }
      await first.commit(
        [
          { type: 'page', log: 'a', id: 4, payload: sealed(4) },
          { type: 'page', log: 'a', id: 5, payload: sealed(5) },
          { type: 'snapshot', log: 'a', header },
          { type: 'meta', key: 'k', value: sealed(6) },
        ],
        { durable: false },
      )
      await first.close()
      const second = await open()
      equal((await second.logs()).sort(), ['a', 'b'], 'the logs')
      equal(await second.read('a', ALL), entries, 'the entries')
      equal(await second.readSnapshot('a'), { header, pages: [sealed(4)], strayPages: [5] }, 'the snapshot')
      equal(await second.readMeta(''), new Map([['k', sealed(6)]]), 'the values')
      await second.commit([append('a', entry(3))], durable)
      await second.close()
      const third = await open()
      equal((await third.read('a', ALL)).length, 4, 'the entries')
      await third.close()
    },
  },
  {
    name: 'what was removed stays removed after closing and opening',
    async run(open) {
      const entries = Array.from({ length: 2_000 }, (_, index) =>
        entry(index, index % 2 ? 'settle' : 'messages'),
      )
      const first = await open()
      await first.commit([append('a', ...entries), append('b', ...entries), append('c', ...entries)], durable)
      await first.commit(
        [
          { type: 'delete-log', log: 'a' },
          { type: 'drop-prefix', log: 'b', below: 1_999 },
          { type: 'delete-batches', log: 'c', from: 0, to: 1_990 },
          { type: 'drop-state', log: 'c', below: 1_995 },
        ],
        durable,
      )
      await first.close()
      const second = await open()
      equal((await second.logs()).sort(), ['b', 'c'], 'the logs')
      equal(
        (await second.read('b', ALL)).map(({ index }) => index),
        [1_999],
        'b',
      )
      equal(
        (await second.read('c', ALL)).map(({ index }) => index),
        [1_990, 1_992, 1_994, 1_995, 1_996, 1_997, 1_998, 1_999],
        'c',
      )
      await second.close()
    },
  },
]
