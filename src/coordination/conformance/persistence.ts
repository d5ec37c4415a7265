import { bytes, coordinationCase, equal, eventually, textAt } from './support.js'

/** What is there again after all sessions were closed. */
export const persistenceCases = [
  coordinationCase('data and versions are kept', async (store, open) => {
    await store.create('/a/b', bytes('0'))
    await store.compareAndSet('/a/b', bytes('1'), 0)
    await store.close()
    const again = await open()
    equal(await textAt(again, '/a/b'), '1', 'the data')
    equal((await again.read('/a/b'))?.version, 1, 'the version')
    equal(await again.compareAndSet('/a/b', bytes('2'), 1), 2, 'the next version')
  }),

  coordinationCase('deletions are kept', async (store, open) => {
    await store.create('/a/b', bytes(''))
    await store.create('/a/c', bytes(''))
    await store.delete('/a/b')
    await store.close()
    const again = await open()
    equal(await again.children('/a'), ['c'], 'the children')
    equal(await again.create('/a/b', bytes('new')), '/a/b', 'made again')
  }),

  coordinationCase('an ephemeral node in the place of a persistent one is not kept', async (store, open) => {
    await store.create('/a', bytes('persistent'))
    await Promise.all([store.delete('/a'), store.create('/a', bytes('ephemeral'), { ephemeral: true })])
    await store.close()
    await eventually(
      await open(),
      '/a',
      (again) => again.read('/a'),
      (node) => node === undefined,
    )
  }),
]
