import { bytes, coordinationCase, ensure, equal, rejects, textAt } from './support.js'

const EPHEMERAL = { ephemeral: true }

export const sessionCases = [
  coordinationCase('an ephemeral node names the session that it ends with', async (store) => {
    await store.create('/e', bytes(''), EPHEMERAL)
    equal((await store.read('/e'))?.owner, store.session.id, 'the owner')
    equal(store.session.lost.aborted, false, 'lost')
  }),

  coordinationCase('a persistent node in the place of an ephemeral one is kept', async (store, open) => {
    await store.create('/e', bytes('0'), EPHEMERAL)
    equal(await store.compareAndSet('/e', bytes('1'), 0), 1, 'the version')
    equal(await store.delete('/e', 1), true, 'deleted')
    await store.create('/e', bytes('kept'))
    await store.close()
    equal(await textAt(await open(), '/e'), 'kept', 'the data')
  }),

  coordinationCase('an ephemeral node has no children', async (store) => {
    await store.create('/e', bytes(''), EPHEMERAL)
    await rejects(store.create('/e/child', bytes('')), 'INVALID_ARGUMENT', 'a child')
    await rejects(store.create('/e/deep/child', bytes('')), 'INVALID_ARGUMENT', 'a grandchild')
    equal(await store.children('/e'), [], 'the children')
  }),

  coordinationCase(
    'ephemeral nodes are gone after the session was closed, their parents are not',
    async (store, open) => {
      await store.create('/p/e', bytes(''), EPHEMERAL)
      await store.create('/p/s', bytes(''), { ephemeral: true, sequential: true })
      await store.create('/p/kept', bytes(''))
      await store.close()
      const again = await open()
      equal(await again.children('/p'), ['kept'], 'the children')
      ensure(again.session.id !== '', 'the session has an id')
    },
  ),

  coordinationCase(
    'operations called before close are done, later ones reject with CLOSED',
    async (store, open) => {
      const created = store.create('/a', bytes('done'))
      const closing = store.close()
      await rejects(store.read('/a'), 'CLOSED', 'read')
      equal(await created, '/a', 'the create')
      await closing
      await rejects(store.create('/b', bytes('')), 'CLOSED', 'create')
      await rejects(store.compareAndSet('/a', bytes(''), 0), 'CLOSED', 'compareAndSet')
      await rejects(store.delete('/a'), 'CLOSED', 'delete')
      await rejects(store.children('/'), 'CLOSED', 'children')
      await rejects((async () => store.watch('/a', () => {}))(), 'CLOSED', 'watch')
      equal(await textAt(await open(), '/a'), 'done', 'the data')
    },
  ),

  coordinationCase('close may be called twice', async (store) => {
    await Promise.all([store.close(), store.close()])
    await store.close()
  }),
]

/** Several sessions. */
export const sharedCases = [
  coordinationCase('what one session wrote, another reads', async (store, open) => {
    const other = await open()
    await store.create('/a', bytes('shared'))
    equal(await textAt(other, '/a'), 'shared', 'the data')
    equal(await other.compareAndSet('/a', bytes('theirs'), 0), 1, 'the version')
    equal(await textAt(store, '/a'), 'theirs', 'the data')
  }),

  coordinationCase('sessions have ids of their own', async (store, open) => {
    const other = await open()
    ensure(store.session.id !== other.session.id, 'the ids differ')
    await other.create('/e', bytes(''), EPHEMERAL)
    equal((await store.read('/e'))?.owner, other.session.id, 'the owner')
  }),

  coordinationCase('a session takes its own ephemeral nodes along, and no others', async (store, open) => {
    const other = await open()
    await store.create('/members/one', bytes(''), EPHEMERAL)
    await other.create('/members/two', bytes(''), EPHEMERAL)
    await other.close()
    equal(await store.children('/members'), ['one'], 'the members')
  }),

  coordinationCase('of many sessions that write one version, one succeeds', async (store, open) => {
    const others = await Promise.all(Array.from({ length: 8 }, () => open()))
    await store.create('/a', bytes(''))
    const versions = await Promise.all(others.map((other, n) => other.compareAndSet('/a', bytes(`${n}`), 0)))
    equal(versions.filter((version) => version !== undefined).length, 1, 'writes that succeeded')
  }),
]
