import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { CoordinationStore } from '../../src/coordination/coordination.js'
import { LockService } from '../../src/coordination/lock.js'
import { CoordinationTree } from '../../src/coordination/tree.js'
import { seededRandom, virtualRuntime } from '../../src/runtime/virtual.js'
import { FakeDisk, unreliable } from './coordination-support.js'

const NAMES = ['a', 'b'] as const
const BROKERS = 3

interface Request {
  readonly number: number
  readonly name: string
  readonly broker: Broker
  readonly controller: AbortController
  readonly patient: boolean
  settled: boolean
}

interface Broker {
  readonly store: CoordinationStore
  readonly locks: LockService
}

interface Holder {
  readonly name: string
  readonly token: number
  readonly broker: Broker
  readonly ttl: number
  deadline: number
  released: boolean
}

const broker = fc.nat(BROKERS - 1)
const name = fc.constantFrom(...NAMES)
const pick = fc.nat(20)

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('acquire' as const),
      broker,
      name,
      ttl: fc.integer({ min: 1, max: 60 }),
      wait: fc.constantFrom(undefined, undefined, 0, 5, 40),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('release' as const), pick }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('renew' as const), pick }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('abort' as const), pick }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('expire' as const), broker }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('close' as const), broker }) },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('advance' as const), by: fc.integer({ min: 0, max: 25 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('turns' as const), turns: fc.integer({ min: 1, max: 12 }) }),
  },
)

const history = fc.record({
  seed: fc.nat(),
  /** The longest that a save takes, in milliseconds. */
  saving: fc.constantFrom(0, 1, 4),
  /** The share of writes whose answer is lost. */
  loss: fc.constantFrom(0, 0.2),
  steps: fc.array(step, { minLength: 5, maxLength: 80 }),
})

it('whatever brokers do, a lock has one holder at a time, tokens rise, and the queue is fair', async () => {
  await fc.assert(fc.asyncProperty(history, run), { numRuns: 400 })
})

async function run({ seed, saving, loss, steps }: typeof history extends fc.Arbitrary<infer T> ? T : never) {
  const runtime = virtualRuntime({ seed })
  const disk = new FakeDisk()
  disk.onSave = () => {
    return new Promise<void>((resolve) => {
      runtime.timers.setTimeout(resolve, Math.floor(runtime.random.float() * (saving + 1)))
    })
  }
  const tree = await CoordinationTree.open(disk)
  const connect = (): Broker => {
    const store = unreliable(tree.connect(), seededRandom(Math.floor(runtime.random.float() * 1e9)), loss)
    return { store, locks: new LockService(store, runtime) }
  }
  const brokers = Array.from({ length: BROKERS }, connect)
  const requests: Request[] = []
  const holders: Holder[] = []
  const lastToken = new Map<string, number>()
  const lastRequest = new Map<string, number>()

  const isLive = (holder: Holder) =>
    !holder.released &&
    !holder.broker.store.session.lost.aborted &&
    holder.deadline > runtime.clock.monotonic()

  function onGrant(request: Request, token: number, ttl: number): void {
    const { name, broker, number, patient } = request
    const others = holders.filter((holder) => holder.name === name && isLive(holder))
    expect(others, `${name} has another holder when ${token} is given`).toEqual([])
    expect(token, 'tokens rise').toBeGreaterThan(lastToken.get(name) ?? 0)
    lastToken.set(name, token)
    expect(
      holders.some((holder) => holder.token === token),
      'each token is given once',
    ).toBe(false)
    // A connection that loses answers makes some come late: their place is their turn, not their call.
    if (patient && loss === 0) {
      expect(number, 'in the order of coming').toBeGreaterThan(lastRequest.get(name) ?? -1)
      lastRequest.set(name, number)
    }
    holders.push({ name, token, broker, ttl, deadline: runtime.clock.monotonic() + ttl, released: false })
  }

  const failures: unknown[] = []
  function acquire(broker: Broker, name: string, ttl: number, wait: number | undefined): void {
    const controller = new AbortController()
    const number = requests.length
    const request: Request = { number, name, broker, controller, patient: wait !== 0, settled: false }
    requests.push(request)
    broker.locks
      .acquire({ name, ttl, wait }, controller.signal)
      .then((grant) => grant && onGrant(request, grant.token, ttl))
      .catch((error: { code?: string }) => {
        if (!['ABORTED', 'DISCONNECTED', 'CLOSED'].includes(error.code ?? '')) failures.push(error)
      })
      .finally(() => {
        request.settled = true
      })
  }

  async function replace(at: number, end: (broker: Broker) => Promise<void>): Promise<void> {
    const broker = brokers[at]!
    brokers[at] = connect()
    for (const holder of holders) if (holder.broker === broker) holder.released = true
    await runtime.runUntil(end(broker))
  }

  for (const action of steps) {
    if (action.do === 'acquire') acquire(brokers[action.broker]!, action.name, action.ttl, action.wait)
    else if (action.do === 'release') {
      const live = holders.filter(isLive)
      const holder = live[action.pick % live.length]
      if (!holder) continue
      holder.released = true
      void holder.broker.locks.release(holder.name, holder.token)
    } else if (action.do === 'renew') {
      const holder = holders[action.pick % holders.length]
      if (!holder) continue
      const deadline = runtime.clock.monotonic() + holder.ttl
      holder.broker.locks.renew(holder.name, holder.token).then(
        () => {
          // Whoever is told that it holds the lock must not have been followed by another.
          if (holder.token !== lastToken.get(holder.name))
            failures.push(new Error(`${holder.token} was renewed late`))
          holder.deadline = Math.max(holder.deadline, deadline)
        },
        (error: { code?: string }) => {
          if (!['LOCK_LOST', 'DISCONNECTED', 'CLOSED'].includes(error.code ?? '')) failures.push(error)
          else if (isLive(holder) && error.code === 'LOCK_LOST')
            failures.push(new Error(`${holder.token} lost early`))
        },
      )
    } else if (action.do === 'abort') requests[action.pick % requests.length]?.controller.abort()
    else if (action.do === 'expire') await replace(action.broker, (broker) => tree.expire(broker.store))
    else if (action.do === 'close') await replace(action.broker, (broker) => broker.locks.close())
    else if (action.do === 'advance') await runtime.advance(action.by)
    else for (let turn = 0; turn < action.turns; turn++) await undefined
    if (failures.length > 0) throw failures[0]
  }

  // Every ttl ends: nobody who waits is forgotten, and nothing is left behind.
  await runtime.advance(60 * (requests.length + 1) * 20 + 60_000)
  if (failures.length > 0) throw failures[0]
  expect(requests.filter(({ settled }) => !settled)).toEqual([])
  expect(runtime.pendingTimers).toBe(0)
  const observer = tree.connect()
  for (const name of NAMES) expect(await runtime.runUntil(observer.children(`/locks/${name}`))).toEqual([])
}
