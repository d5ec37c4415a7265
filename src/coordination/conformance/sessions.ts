import type { CoordinationStore } from '../coordination.js'
import { bytes, coordinationCase, ensure, equal, eventually, rejection, textAt } from './support.js'

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
    await rejection(store.create('/e/child', bytes('')), 'INVALID_ARGUMENT', 'a child')
    await rejection(store.create('/e/deep/child', bytes('')), 'INVALID_ARGUMENT', 'a grandchild')
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
      await childrenBecome(again, '/p', ['kept'])
      ensure(again.session.id !== '', 'the session has an id')
    },
  ),

  coordinationCase(
    'operations called before close are done, later ones reject with CLOSED',
    async (store, open) => {
      const created = store.create('/a', bytes('done'))
      const closing = store.close()
      await rejection(store.read('/a'), 'CLOSED', 'read')
      equal(await created, '/a', 'the create')
      await closing
      await rejection(store.create('/b', bytes('')), 'CLOSED', 'create')
      await rejection(store.compareAndSet('/a', bytes(''), 0), 'CLOSED', 'compareAndSet')
      await rejection(store.delete('/a'), 'CLOSED', 'delete')
      await rejection(store.children('/'), 'CLOSED', 'children')
      await rejection((async () => store.watch('/a', () => {}))(), 'CLOSED', 'watch')
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
    await childrenBecome(store, '/members', ['one'])
  }),

  coordinationCase('of many sessions that write one version, one succeeds', async (store, open) => {
    const others = await Promise.all(Array.from({ length: 8 }, () => open()))
    await store.create('/a', bytes(''))
    const versions = await Promise.all(others.map((other, n) => other.compareAndSet('/a', bytes(`${n}`), 0)))
    equal(versions.filter((version) => version !== undefined).length, 1, 'writes that succeeded')
  }),

  coordinationCase(
    'sessions that read, add one and compare-and-set lose no addition',
    async (store, open) => {
      const all = [store, await open(), await open(), await open()]
      await store.create('/counter', bytes('0'))
      const addOne = async (adder: typeof store) => {
        for (;;) {
          const node = await adder.read('/counter')
          const sum = Number(new TextDecoder().decode(node?.data)) + 1
          if ((await adder.compareAndSet('/counter', bytes(`${sum}`), node?.version ?? 0)) !== undefined)
            return
        }
      }
      await Promise.all(
        all.map(async (adder) => {
          for (let n = 0; n < 10; n++) await addOne(adder)
        }),
      )
      equal([await textAt(store, '/counter'), (await store.read('/counter'))?.version], ['40', 40], 'the sum')
    },
  ),

  coordinationCase('a session that lives says so', async (store) => {
    ensure(store.session.timeout > 0, 'it has a timeout')
    ensure(store.session.leaseUntil() > 0, 'it has a lease')
  }),
]

/** ZooKeeper removes the nodes of a session that ends soon after it was told so, and not before it has said that it was. */
async function childrenBecome(
  store: CoordinationStore,
  path: string,
  names: readonly string[],
): Promise<void> {
  await eventually(
    store,
    path,
    (from) => from.children(path),
    (found) => String(found) === String(names),
  )
}
