import { bytes, coordinationCase, ensure, equal, textAt, watchEvents } from './support.js'

/** A watch that is armed before a read misses nothing that the read did not show. */
export const watchCases = [
  coordinationCase('a watch is called when its node is made, changed and deleted', async (store) => {
    const events = watchEvents(store, '/a')
    await store.create('/a', bytes('0'))
    await events.next()
    await store.compareAndSet('/a', bytes('1'), 0)
    await events.next()
    await store.delete('/a')
    await events.next()
  }),

  coordinationCase('a watch is called when children come and go', async (store) => {
    await store.create('/p', bytes(''))
    const events = watchEvents(store, '/p')
    await store.create('/p/a', bytes(''))
    await events.next()
    await store.delete('/p/a')
    await events.next()
  }),

  coordinationCase('what a watch was called for can be read', async (store) => {
    await store.create('/a', bytes('old'))
    const read = new Promise<string | undefined>((resolve, reject) => {
      const stop = store.watch('/a', () => {
        stop()
        textAt(store, '/a').then(resolve, reject)
      })
    })
    await store.compareAndSet('/a', bytes('new'), 0)
    equal(await read, 'new', 'the data')
  }),

  coordinationCase('a watch that was stopped is not called', async (store) => {
    const stopped = watchEvents(store, '/a')
    const other = watchEvents(store, '/a')
    stopped.stop()
    stopped.stop()
    await store.create('/a', bytes(''))
    await other.next()
    equal(stopped.calls(), 0, 'calls')
  }),

  coordinationCase('a watch is not called for other nodes, or children of children', async (store) => {
    await store.create('/p/c', bytes(''))
    const events = watchEvents(store, '/p')
    const below = watchEvents(store, '/p/c')
    await store.create('/p/c/deep', bytes(''))
    await store.create('/other', bytes(''))
    await below.next()
    equal(events.calls(), 0, 'calls')
  }),

  coordinationCase('one listener may watch twice, and stop once', async (store) => {
    let calls = 0
    const listener = () => {
      calls++
    }
    const stop = store.watch('/a', listener)
    store.watch('/a', listener)
    stop()
    const events = watchEvents(store, '/a')
    await store.create('/a', bytes(''))
    await events.next()
    equal(calls, 1, 'calls')
  }),

  coordinationCase('a watcher that throws keeps nobody else from hearing', async (store) => {
    store.watch('/a', () => {
      throw new Error('A watcher that throws.')
    })
    const events = watchEvents(store, '/a')
    await store.create('/a', bytes(''))
    await events.next()
    equal(await textAt(store, '/a'), '', 'the node')
  }),
]

/** Several sessions. */
export const sharedWatchCases = [
  coordinationCase('a watch sees the changes of other sessions', async (store, open) => {
    const other = await open()
    const events = watchEvents(store, '/a')
    // Armed, then read: from here on nothing is missed.
    equal(await store.read('/a'), undefined, 'the node')
    await other.create('/a', bytes('theirs'))
    await events.next()
    equal(await textAt(store, '/a'), 'theirs', 'the data')
  }),

  coordinationCase('armed, then read: the last of many changes is seen', async (store, open) => {
    const other = await open()
    await store.create('/a', bytes('0'))
    const events = watchEvents(store, '/a')
    const writes = (async () => {
      for (let n = 0; n < 100; n++) await other.compareAndSet('/a', bytes(`${n + 1}`), n)
    })()
    while ((await textAt(store, '/a')) !== '100') await events.next()
    await writes
  }),

  coordinationCase('a watch sees the ephemeral nodes of a session go', async (store, open) => {
    const other = await open()
    await other.create('/member', bytes(''), { ephemeral: true })
    const events = watchEvents(store, '/member')
    ensure((await store.read('/member')) !== undefined, 'it is there')
    await other.close()
    while ((await store.read('/member')) !== undefined) await events.next()
  }),
]
