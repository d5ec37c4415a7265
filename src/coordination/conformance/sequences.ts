import { bytes, coordinationCase, equal } from './support.js'

const SEQUENTIAL = { sequential: true }

/** Numbers of sequential nodes: what queues and elections take their order from. */
export const sequenceCases = [
  coordinationCase('a sequential node gets its path, "-" and ten digits', async (store) => {
    const path = (await store.create('/q/n', bytes('data'), SEQUENTIAL)) ?? ''
    equal(/^\/q\/n-\d{10}$/.test(path), true, `the path ${path}`)
    equal(await store.children('/q'), [path.slice(3)], 'the children')
  }),

  coordinationCase('numbers rise below one parent, whatever the names', async (store) => {
    const first = await Promise.all(
      ['a', 'b', 'a'].map((name) => store.create(`/q/${name}`, bytes(''), SEQUENTIAL)),
    )
    rising(first)
    rising([...first, await store.create('/q/0', bytes(''), SEQUENTIAL)])
  }),

  coordinationCase('numbers are not used again after a delete', async (store) => {
    const first = await store.create('/q/n', bytes(''), SEQUENTIAL)
    await store.delete(first ?? '')
    rising([first, await store.create('/q/n', bytes(''), SEQUENTIAL)])
  }),

  coordinationCase('numbers go on rising after all sessions were closed', async (store, open) => {
    const options = { sequential: true, ephemeral: true }
    const before = [
      await store.create('/q/n', bytes(''), SEQUENTIAL),
      await store.create('/q/e', bytes(''), options),
    ]
    await store.close()
    const again = await open()
    rising([...before, await again.create('/q/n', bytes(''), SEQUENTIAL)])
  }),
]

/** Several sessions. */
export const sharedSequenceCases = [
  coordinationCase('numbers of several sessions are one sequence', async (store, open) => {
    const other = await open()
    const made = async (maker: typeof store, name: string) => {
      const paths: (string | undefined)[] = []
      for (let n = 0; n < 10; n++) paths.push(await maker.create(`/q/${name}`, bytes(''), SEQUENTIAL))
      rising(paths)
      return paths
    }
    const paths = (await Promise.all([made(store, 'a'), made(other, 'b')])).flat()
    equal(new Set(paths.map((path) => path?.slice(-10))).size, paths.length, 'different numbers')
  }),
]

function rising(paths: readonly (string | undefined)[]): void {
  const numbers = paths.map((path) => Number(path?.slice(-10)))
  const sorted = [...new Set(numbers)].sort((a, b) => a - b)
  equal(numbers, sorted, 'the numbers in the order of the calls')
}
