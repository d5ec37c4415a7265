import { bytes, coordinationCase, ensure, equal, rejection, textAt } from './support.js'

/** One session: what operations on nodes do. */
export const nodeCases = [
  coordinationCase('a created node is read with its data, version 0 and no owner', async (store) => {
    equal(await store.create('/a', bytes('one')), '/a', 'the path')
    equal(await textAt(store, '/a'), 'one', 'the data')
    const node = await store.read('/a')
    equal([node?.version, node?.owner], [0, undefined], 'version and owner')
  }),

  coordinationCase('a node of no bytes is told from no node', async (store) => {
    await store.create('/empty', bytes(''))
    equal((await store.read('/empty'))?.data.length, 0, 'the length')
    equal(await store.read('/missing'), undefined, 'a missing node')
  }),

  coordinationCase('every byte comes back as it was', async (store) => {
    const all = Uint8Array.from({ length: 256 }, (_, byte) => byte)
    await store.create('/bytes', all)
    equal(Array.from((await store.read('/bytes'))?.data ?? []), Array.from(all), 'the bytes')
  }),

  coordinationCase('changing the array that was handed in changes no node', async (store) => {
    const data = bytes('mine')
    const created = store.create('/copy', data)
    data.fill(0)
    await created
    equal(await textAt(store, '/copy'), 'mine', 'the data')
  }),

  coordinationCase('a create where a node is resolves to undefined and changes nothing', async (store) => {
    await store.create('/a', bytes('first'))
    equal(await store.create('/a', bytes('second')), undefined, 'the second create')
    equal(await textAt(store, '/a'), 'first', 'the data')
  }),

  coordinationCase('of many creates at once of one path, one succeeds', async (store) => {
    const paths = await Promise.all(
      Array.from({ length: 20 }, (_, n) => store.create('/race', bytes(`${n}`))),
    )
    equal(paths.filter((path) => path !== undefined).length, 1, 'creates that succeeded')
  }),

  coordinationCase('the parents of a node are made with it, empty', async (store) => {
    await store.create('/a/b/c', bytes('leaf'))
    equal(await textAt(store, '/a'), '', '/a')
    equal(await textAt(store, '/a/b'), '', '/a/b')
    equal(await store.create('/a/b', bytes('late')), undefined, 'making /a/b again')
  }),

  coordinationCase(
    'compare-and-set writes at the version it names, and gives the next one',
    async (store) => {
      await store.create('/a', bytes('0'))
      equal(await store.compareAndSet('/a', bytes('1'), 0), 1, 'the first')
      equal(await store.compareAndSet('/a', bytes('2'), 1), 2, 'the second')
      equal(await textAt(store, '/a'), '2', 'the data')
      equal((await store.read('/a'))?.version, 2, 'the version')
    },
  ),

  coordinationCase('compare-and-set at another version, or of no node, changes nothing', async (store) => {
    await store.create('/a', bytes('0'))
    await store.compareAndSet('/a', bytes('1'), 0)
    equal(await store.compareAndSet('/a', bytes('x'), 0), undefined, 'a stale version')
    equal(await store.compareAndSet('/a', bytes('x'), 2), undefined, 'a version that is not yet')
    equal(await store.compareAndSet('/b', bytes('x'), 0), undefined, 'a missing node')
    equal([await textAt(store, '/a'), await textAt(store, '/b')], ['1', undefined], 'the data')
  }),

  coordinationCase('of many compare-and-sets at once of one version, one succeeds', async (store) => {
    await store.create('/a', bytes(''))
    const writes = Array.from({ length: 20 }, (_, n) => store.compareAndSet('/a', bytes(`${n}`), 0))
    const versions = await Promise.all(writes)
    equal(versions.filter((version) => version === 1).length, 1, 'writes that succeeded')
    equal(await textAt(store, '/a'), `${versions.indexOf(1)}`, 'the data')
  }),

  coordinationCase('a node that was deleted and made again begins at version 0', async (store) => {
    await store.create('/a', bytes('0'))
    await store.compareAndSet('/a', bytes('1'), 0)
    await store.delete('/a')
    await store.create('/a', bytes('new'))
    equal((await store.read('/a'))?.version, 0, 'the version')
  }),

  coordinationCase('delete removes a node once', async (store) => {
    await store.create('/a', bytes(''))
    equal(await store.delete('/a'), true, 'the first')
    equal(await store.delete('/a'), false, 'the second')
    equal(await store.read('/a'), undefined, 'the node')
  }),

  coordinationCase('delete with a version removes that version only', async (store) => {
    await store.create('/a', bytes('0'))
    await store.compareAndSet('/a', bytes('1'), 0)
    equal(await store.delete('/a', 0), false, 'a stale version')
    equal(await textAt(store, '/a'), '1', 'the data')
    equal(await store.delete('/a', 1), true, 'its version')
  }),

  coordinationCase('a node with children is not deleted', async (store) => {
    await store.create('/a/b', bytes(''))
    equal(await store.delete('/a'), false, 'with a child')
    await store.delete('/a/b')
    equal(await store.delete('/a'), true, 'without')
  }),

  coordinationCase('children are names, sorted, of the next level only', async (store) => {
    for (const path of ['/p/b', '/p/a/deeper', '/p/B', '/p/a-1', '/q/c']) await store.create(path, bytes(''))
    equal(await store.children('/p'), ['B', 'a', 'a-1', 'b'], 'of /p')
    equal(await store.children('/p/b'), [], 'of a leaf')
    equal(await store.children('/missing'), [], 'of a missing node')
    ensure((await store.children('/')).includes('q'), 'the root has /q')
  }),

  coordinationCase('changing a list of children changes no tree', async (store) => {
    await store.create('/p/a', bytes(''))
    ;(await store.children('/p')).push('b')
    equal(await store.children('/p'), ['a'], 'the children')
  }),

  coordinationCase('operations are applied in the order of their calls', async (store) => {
    const results = await Promise.all([
      store.create('/a', bytes('0')),
      store.compareAndSet('/a', bytes('1'), 0),
      store.read('/a'),
      store.delete('/a', 1),
      store.read('/a'),
      store.create('/a', bytes('2')),
    ])
    equal([results[0], results[1], results[3], results[5]], ['/a', 1, true, '/a'], 'the writes')
    equal([results[2]?.version, results[4]], [1, undefined], 'the reads')
  }),

  coordinationCase('thousands of nodes below one', async (store) => {
    const names = Array.from({ length: 2_000 }, (_, n) => `n${String(n).padStart(5, '0')}`)
    await Promise.all(names.map((name) => store.create(`/many/${name}`, bytes(name))))
    equal(await store.children('/many'), names, 'the children')
  }),

  coordinationCase('paths are absolute, without an empty, "." or ".." part', async (store) => {
    for (const path of ['', 'a', 'a/b', '//', '/a/', '/a//b', '/.', '/a/..', '/a/./b', '/a\u0000']) {
      await rejection(store.create(path, bytes('')), 'INVALID_ARGUMENT', `create ${JSON.stringify(path)}`)
      await rejection(store.read(path), 'INVALID_ARGUMENT', `read ${JSON.stringify(path)}`)
    }
    await store.create('/...', bytes('dots'))
    equal(await textAt(store, '/...'), 'dots', 'three dots are a name')
  }),

  coordinationCase('more bytes than a coordination service takes are refused', async (store) => {
    await rejection(store.create('/a', new Uint8Array(1_048_576)), 'INVALID_ARGUMENT', 'a mebibyte')
    equal(await store.read('/a'), undefined, 'the node')
  }),
]
