import { expect, it, onTestFinished } from 'vitest'
import { FetchPair, type FetchPairOptions, LAG, type PairedPartition } from './fetch-support/fetch-pair.js'

const MIB = 1 << 20

/** Two partitions in sync, of which the leader alone decides what is committed when the follower is away. */
async function openPair(options?: FetchPairOptions) {
  const pair = await new FetchPair(2, { ...options, minInSync: 1 }).open()
  onTestFinished(() => pair.close())
  await pair.untilSame(10_000)
  const [behind, inSync] = pair.partitions as [PairedPartition, PairedPartition]
  return { pair, behind, inSync }
}

/** The follower lacks so much of a partition. */
async function miss(pair: FetchPair, partition: PairedPartition, bytes: number): Promise<void> {
  await pair.dismiss(partition)
  for (let missed = 0; missed < bytes; missed += MIB / 16) await partition.append(MIB / 16)
}

/** How long it takes until what is appended is acknowledged (ms). */
async function acknowledged({ runtime }: FetchPair, partition: PairedPartition): Promise<number> {
  const start = runtime.clock.monotonic()
  await partition.append()
  await runtime.runUntil(() => partition.isCommitted, LAG)
  return runtime.clock.monotonic() - start
}

it('what is sent to replicas in sync is acknowledged as fast as ever while another partition of the same two brokers catches up', async () => {
  const { pair, behind, inSync } = await openPair()
  // An answer of a MiB takes a tenth of a second.
  pair.line.speed = 10 * MIB
  await miss(pair, behind, 20 * MIB)
  pair.follow(behind)
  let slowest = 0
  let count = 0
  for (; !behind.isSame; count++) {
    slowest = Math.max(slowest, await acknowledged(pair, inSync))
    await pair.runtime.advance(20)
  }
  expect(count).toBeGreaterThan(30)
  expect(slowest).toBeLessThan(20)
  await pair.runtime.runUntil(() => behind.isInSync, 1_000)
})

it('those that are behind fetch no more than the throttled rate, at whatever the leader could give', async () => {
  const { pair, behind, inSync } = await openPair({ throttledRate: MIB })
  await miss(pair, behind, 8 * MIB)
  const start = pair.runtime.clock.monotonic()
  const elapsed = () => (pair.runtime.clock.monotonic() - start) / 1_000
  const first = behind.follower.next
  pair.follow(behind)
  while (!behind.isSame) {
    const fetched = (behind.follower.next - first) * (MIB / 16)
    // What is fetched at once is paid for afterwards.
    expect(fetched).toBeLessThanOrEqual((elapsed() + 0.3) * MIB)
    expect(await acknowledged(pair, inSync)).toBeLessThan(20)
    await pair.runtime.advance(50)
  }
  expect(elapsed()).toBeGreaterThan(7)
  expect(elapsed()).toBeLessThan(9)
  // Once it has caught up nothing holds it any more.
  await pair.runtime.runUntil(() => behind.isInSync, 1_000)
  for (let round = 0; round < 20; round++) expect(await acknowledged(pair, behind)).toBeLessThan(20)
})

it('who is taken to be in sync, and is not, catches up apart', async () => {
  const { pair, behind, inSync } = await openPair({ throttledRate: MIB })
  await miss(pair, behind, 2 * MIB)
  pair.line.requests.length = 0
  pair.follow(behind, true)
  await pair.untilSame(5_000)
  const asked = pair.line.requests.filter(({ partitions }) =>
    partitions.some(({ partition }) => partition === 0),
  )
  const [first] = asked
  expect(first!.session!.catchUp).toBe(false)
  expect(asked.filter(({ session }) => session!.catchUp).length).toBeGreaterThan(5)
  expect(await acknowledged(pair, inSync)).toBeLessThan(20)
})

it('who has missed nothing is asked for with those in sync at once, though nothing is new', async () => {
  const { pair, behind } = await openPair()
  await pair.dismiss(behind)
  pair.follow(behind)
  await pair.runtime.advance(100)
  expect(behind.isInSync).toBe(true)
  pair.line.requests.length = 0
  expect(await acknowledged(pair, behind)).toBeLessThan(20)
  await pair.runtime.advance(5_000)
  expect(pair.line.requests.every(({ session }) => !session!.catchUp)).toBe(true)
})

it('who left and comes back before its leader knows of it says so by the fetch that it was in [invariant 6]', async () => {
  const { pair, behind } = await openPair()
  pair.line.requests.length = 0
  pair.leave(behind)
  pair.follow(behind, false)
  await pair.runtime.advance(100)
  const named = pair.line.requests.filter(({ partitions }) =>
    partitions.some(({ partition }) => partition === 0),
  )
  expect(named.map(({ session }) => session!.catchUp)).toEqual([false, false])
})

/** The follower says to its leader where it stands, by a request that it may have sent long ago. */
function saying(pair: FetchPair, partition: PairedPartition) {
  const { number: last, id } = pair.line.requests.at(-1)!.session!
  const base = { ...partition.follower.position(), documentVersion: 1 }
  const say = (
    session: { readonly id: number; readonly number?: number; readonly catchUp: boolean },
    next: number | undefined,
    generation = 1,
  ) =>
    pair.runtime.runUntil(
      pair.line.server.fetch({
        cluster: 'c',
        from: { ...pair.incarnation, generation },
        wait: 0,
        maxBytes: MIB,
        now: 0,
        partitions: next === undefined ? [] : [{ ...base, next, lastEpoch: next - 1 }],
        session: { number: 0, forgotten: [], ...session },
      }),
    )
  return { say, id, last }
}

it('each of the two fetches has its own order of sessions: one that comes late counts no more, though the other has begun none since [invariant 8]', async () => {
  const { pair, behind } = await openPair()
  pair.leave(behind)
  const { say, id } = saying(pair, behind)
  await say({ id: id + 1, catchUp: false }, 1)
  expect(behind.position).toBe(1)
  await say({ id: id + 4, catchUp: false }, undefined)
  // It has begun anew, and says so by the other one.
  await say({ id: id + 3, catchUp: true }, 0)
  expect(behind.position).toBe(0)
  expect(await say({ id: id + 1, catchUp: false }, 1)).toEqual({ results: [] })
  expect(await say({ id: id + 2, catchUp: false }, 1)).toEqual({ results: [] })
  expect(await say({ id: id + 2, catchUp: true }, 1)).toEqual({ results: [] })
  expect(behind.position).toBe(0)
})

it('what an earlier life of a follower has said by one fetch does not count once a later one was heard by the other [invariant 2]', async () => {
  const { pair, behind } = await openPair()
  pair.leave(behind)
  const { say, id, last } = saying(pair, behind)
  await say({ id: id + 1, catchUp: true }, 0, 2)
  expect(behind.position).toBe(0)
  const { results } = await say({ id, number: last + 100, catchUp: false }, 1)
  expect(results.find(({ partition }) => partition === 0)).toMatchObject({
    type: 'error',
    error: { code: 'NOT_LEADER' },
  })
  expect(behind.position).toBe(0)
})

it('who leaves a fetch that its leader does not know any more asks by the other once the leader knows that the one has begun without it [invariant 6]', async () => {
  const { pair, behind } = await openPair()
  await miss(pair, behind, MIB)
  const { requests } = pair.line
  requests.length = 0
  pair.follow(behind, true)
  await pair.runtime.runUntil(() => requests.some(({ partitions }) => partitions.length > 0), 1_000)
  pair.generation++
  await pair.untilSame(5_000)
  const first = requests.findIndex(
    ({ partitions, session }) => session!.catchUp && partitions.some(({ partition }) => partition === 0),
  )
  const begun = requests
    .slice(0, first)
    .filter(({ from, session }) => from.generation === 2 && session!.number === 0 && !session!.catchUp)
  expect(begun.map(({ partitions }) => partitions.map(({ partition }) => partition))).toEqual([[1]])
})

it('while a follower installs a snapshot its leader keeps what comes after it, however long that takes', async () => {
  const { pair, behind } = await openPair()
  await pair.dismiss(behind)
  const index = await behind.snapshot()
  const { server } = pair.line
  const request = {
    cluster: 'c',
    from: pair.incarnation,
    topicId: 't',
    partition: 0,
    epoch: 0,
    maxBytes: MIB,
  }
  await pair.runtime.runUntil(server.readSnapshot({ ...request, fromPage: 0 }))
  for (let slice = 0; slice < 5; slice++) {
    await behind.append()
    await pair.runtime.advance(LAG / 2)
    expect(behind.leading.neededFrom).toBe(index)
    await pair.runtime.runUntil(server.readBatches({ ...request, first: slice, end: index }))
  }
  // One that has gone away is not waited for.
  await pair.runtime.advance(2 * LAG)
  expect(behind.leading.neededFrom).toBe(behind.leading.end)
})

it('a leader with one session for each follower serves both fetches all the same', async () => {
  const { pair, behind, inSync } = await openPair()
  pair.line.hasOneSession = true
  await miss(pair, behind, 20 * MIB)
  pair.follow(behind)
  expect(await acknowledged(pair, inSync)).toBeLessThan(1_000)
  await pair.untilSame(10_000)
  await pair.runtime.advance(3_000)
  expect(await acknowledged(pair, behind)).toBeLessThan(20)
})

it.each([1, 2, 3])(
  'to its leader no follower goes back, by whichever fetch it says where it stands [invariant 6] (seed %i)',
  async (seed) => {
    const { pair, behind, inSync } = await openPair({ seed, throttledRate: 4 * MIB })
    Object.assign(pair.line.faults, { lostRequests: 0.1, lostAnswers: 0.1, doubled: 0.3, late: 0.3 })
    await pair.dismiss(behind)
    const highest = new Map(pair.partitions.map((partition) => [partition, partition.position]))
    for (let round = 0; round < 15; round++) {
      for (let chunk = 0; chunk < 8; chunk++) await behind.append(MIB / 16)
      // By chance in either of the two.
      pair.follow(behind, round % 2 === 0)
      for (let time = 0; time < 150; time++) {
        if (time > 50 && time % 10 === 0) await Promise.all([behind.append(), inSync.append()])
        await pair.runtime.advance(1)
        for (const [partition, before] of highest) {
          expect(partition.position, `${partition.log} in round ${round}`).toBeGreaterThanOrEqual(before)
          highest.set(partition, partition.position)
        }
      }
      pair.leave(behind)
    }
    expect(behind.follower.next).toBeGreaterThan(100)
  },
)

it.each([1, 2, 3, 4, 5, 6])(
  'whatever is lost, doubled and late, nobody is taken to be further than he is, and all catch up (seed %i)',
  async (seed) => {
    const pair = await new FetchPair(6, { seed, throttledRate: 4 * MIB, minInSync: 1 }).open()
    onTestFinished(() => pair.close())
    const { runtime, line, partitions } = pair
    Object.assign(line.faults, { lostRequests: 0.1, lostAnswers: 0.15, doubled: 0.2, late: 0.2 })
    const away = new Map<PairedPartition, number>()
    for (let step = 0; step < 250; step++) {
      const partition = partitions[Math.floor(runtime.random.float() * partitions.length)]!
      const what = runtime.random.float()
      if (what < 0.6) await partition.append(runtime.random.float() < 0.5 ? MIB / 8 : 1)
      else if (what < 0.7 && away.size < 3) {
        pair.leave(partition)
        away.set(partition, step + Math.floor(runtime.random.float() * 100))
      } else if (what < 0.75) {
        await partition.elect()
        pair.leave(partition)
        pair.follow(partition)
        away.delete(partition)
      } else if (what < 0.77) pair.restartLeader()
      else if (what < 0.78) pair.generation++
      for (const [one, until] of away) {
        if (until > step) continue
        pair.follow(one, runtime.random.float() < 0.5)
        away.delete(one)
      }
      await runtime.advance(runtime.random.float() * (runtime.random.float() < 0.2 ? 1_000 : 20))
      for (const { position, follower, log } of partitions)
        expect(position, `${log} at step ${step}`).toBeLessThanOrEqual(follower.next)
    }
    Object.assign(line.faults, { lostRequests: 0, lostAnswers: 0, doubled: 0, late: 0 })
    for (const partition of away.keys()) pair.follow(partition)
    await runtime.runUntil(() => partitions.every(({ isSame, isInSync }) => isSame && isInSync), 60_000)
    await runtime.advance(3_000)
    expect(line.requests.some(({ session }) => session!.catchUp)).toBe(true)
    for (const partition of partitions) expect(await acknowledged(pair, partition)).toBeLessThan(20)
  },
)
