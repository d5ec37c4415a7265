import {
  ALL,
  append,
  entry,
  equal,
  rejection,
  type StorageConformanceCase,
  sealed,
  storageCase,
} from './support.js'

const durable = { durable: true }

/** Space, bytes that are nobody else's, and the end. */
export const lifecycleCases: readonly StorageConformanceCase[] = [
  storageCase('space is measured', async (storage) => {
    await storage.commit([append('a', entry(0, 'messages', sealed(1, 500_000)))], durable)
    const { usedBytes, freeBytes, reusableBytes } = await storage.space()
    if (!(usedBytes >= 500_000)) throw new Error(`500,000 bytes take ${usedBytes}.`)
    if (!(freeBytes > 0)) throw new Error(`${freeBytes} bytes are free.`)
    if (!(reusableBytes >= 0 && reusableBytes < usedBytes))
      throw new Error(`${reusableBytes} of ${usedBytes} bytes are free inside.`)
  }),

  storageCase('room is made without what is stored', async (storage) => {
    await storage.commit(
      [append('a', entry(0)), append('b', entry(0, 'messages', sealed(1, 500_000)))],
      durable,
    )
    await storage.commit([{ type: 'delete-log', log: 'b' }], durable)
    for (const bytes of [1_000_000, 0, Number.MAX_SAFE_INTEGER]) await storage.makeRoom(bytes)
    await storage.commit([append('a', entry(1))], durable)
    equal((await storage.read('a', ALL)).length, 2, 'what is stored')
  }),

  storageCase('bytes that were given stay usable by their owner', async (storage) => {
    const payload = sealed(1, 1_000)
    await storage.commit([append('a', entry(0, 'messages', payload))], durable)
    equal(payload, sealed(1, 1_000), 'the payload after its commit')
    const part = payload.subarray(0, payload.length)
    await storage.commit([append('b', entry(0, 'messages', part))], durable)
    equal((await storage.read('b', ALL))[0]?.payload, sealed(1, 1_000), 'what was stored')
  }),

  storageCase('an empty commit resolves', async (storage) => {
    await storage.commit([], durable)
    await storage.commit([append('a')], { durable: false })
    equal(await storage.logs(), [], 'the logs')
  }),

  {
    name: 'close finishes the commits under way, may be called twice, and ends all use',
    async run(open) {
      const storage = await open()
      const commits = Array.from({ length: 50 }, (_, index) =>
        storage.commit([append('a', entry(index))], durable),
      )
      const read = storage.read('a', ALL)
      const closing = storage.close()
      await rejection(storage.commit([append('a', entry(50))], durable), 'CLOSED', 'a commit while closing')
      await Promise.all([...commits, closing, storage.close()])
      equal((await read).length, 50, 'the read under way')
      await storage.close()
      await rejection(storage.commit([], durable), 'CLOSED', 'commit')
      await rejection(storage.read('a', ALL), 'CLOSED', 'read')
      await rejection(storage.readSnapshot('a'), 'CLOSED', 'readSnapshot')
      await rejection(storage.readMeta(''), 'CLOSED', 'readMeta')
      await rejection(storage.logs(), 'CLOSED', 'logs')
      await rejection(storage.space(), 'CLOSED', 'space')
      await rejection(storage.makeRoom(1), 'CLOSED', 'makeRoom')
    },
  },
]
