import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connect } from '../../src/http.js'
import { Admin, Consumer, Lock, Producer } from '../../src/index.js'
import { bundleProgram } from '../support/bundle.js'
import { FireCluster } from '../torture/fire-cluster.js'
import { ms } from '../torture/ledger.js'
import { type Load, until } from '../torture/load.js'
import { longestOutage } from '../torture/outage.js'
import { leaderOf, RECOVERY, SLACK, sleep, underLoad } from './support/fire.js'
import { describeCluster } from './support/servers.js'
import { Stalls } from './support/stalls.js'

const SESSION = 2_000

/** What is timed here is held against what the machine keeps processes waiting meanwhile. */
let stalls: Stalls
beforeAll(() => {
  stalls = new Stalls()
})
afterAll(() => stalls.close())

/** About how many sends one after the other take as many steps from process to process as leadership that moves. */
const SENDS_TO_MOVE = 3
/** How many sends are timed before anything happens. */
const CALM = 300
const CLIENT = 'the-t0ken-of-a-client-0123456789'
const PEER_PATHS = [
  'fetch',
  'readSnapshot',
  'readBatches',
  'update',
  'report',
  'command',
  'handOver',
  'append',
]

describeCluster(
  'three brokers and three ZooKeeper servers, all of them processes',
  {
    timeout: 240_000,
  },
  () => {
    let cluster: FireCluster
    beforeAll(async () => {
      cluster = await FireCluster.open({ sessionTimeout: SESSION })
    }, 120_000)
    afterAll(async () => {
      await cluster.close()
      await cluster.remove()
    })

    test('a leader that is killed is replaced, and running producers and consumers go on by themselves', async () => {
      const broken = await underLoad(cluster, { topic: 'killed' }, async (load) => {
        const leader = await leaderOf(cluster, load, 0)
        const since = performance.now()
        await leader.kill()
        await load.untilFlowing(performance.now(), RECOVERY)
        const end = performance.now()
        const outage = longestOutage(load.ledger, load.partitions, since, end)
        const allowance = stalls.allowance(since, end)
        console.log(
          `a leader was killed, session ${SESSION} ms: writes waited for ${ms(outage)}; the machine is allowed ${ms(allowance)}`,
        )
        expect(outage).toBeLessThan(SESSION + 1_000 + allowance)
        await leader.start()
      })
      expect(broken).toEqual([])
    })

    test('a consumer whose broker dies keeps its leases with the next leader', async () => {
      const remote = connect([...cluster.urls], { timeout: 3_000 })
      try {
        const admin = new Admin(remote)
        await admin.createTopic('leased', { partitions: 1, replicas: 3, minInSync: 2 })
        await new Producer(remote).send('leased', { number: 1 })
        const consumer = new Consumer(remote, 'leased', { lease: 120_000, prefetch: 1 })
        const message = await consumer.receive()
        const { partitions } = await admin.describeTopic('leased')
        const leader = cluster.byId(partitions[0]!.leader?.id)!
        await leader.kill()
        const other = new Consumer(remote, 'leased', { lease: 120_000, prefetch: 1 })
        expect(await other.receive({ timeout: SESSION + SLACK })).toBeNull()
        await message.ack()
        await until(
          async () => (await admin.describeGroup('leased', 'default')).partitions[0]?.lag === 0,
          RECOVERY,
          'The ack to count',
        )
        await leader.start()
      } finally {
        await remote.close()
      }
    })

    test('the controller is killed, then a ZooKeeper server: another takes its place, and nothing is lost', async () => {
      const broken = await underLoad(cluster, { topic: 'controller' }, async (load) => {
        const controller = await cluster.controller()
        await controller!.kill()
        await load.untilFlowing(performance.now(), RECOVERY)
        await controller!.start()
        await load.untilInSync(RECOVERY)
        const server = (await cluster.ensemble.leader())!
        await server.kill()
        await load.untilFlowing(performance.now(), RECOVERY)
        await server.start()
        await server.ready()
        expect((await cluster.controller())?.runs).toBe(true)
      })
      expect(broken).toEqual([])
    })

    test('ZooKeeper is away for five sessions: data keeps flowing, nothing is elected meanwhile, and there is no split brain after', async () => {
      const broken = await underLoad(cluster, { topic: 'away' }, async (load) => {
        const { servers } = cluster.ensemble
        await Promise.all(servers.map((server) => server.kill()))
        const since = performance.now()
        const elections = cluster.leaderships.length
        await sleep(5 * SESSION)
        const end = performance.now()
        const outage = longestOutage(load.ledger, load.partitions, since, end)
        expect(outage).toBeLessThan(1_000 + stalls.allowance(since, end))
        expect(cluster.leaderships.length).toBe(elections)
        await Promise.all(servers.map((server) => server.start()))
        await Promise.all(servers.map((server) => server.ready()))
        await load.untilFlowing(performance.now(), RECOVERY)
      })
      expect(broken).toEqual([])
    })

    test('a leader that was stopped for longer than its session cannot write in its old epoch when it goes on', async () => {
      const broken = await underLoad(cluster, { topic: 'stopped' }, async (load) => {
        const leader = await leaderOf(cluster, load, 0)
        const { epoch } = (await load.admin.describeTopic(load.topic)).partitions[0]!
        const since = performance.now()
        leader.pause()
        try {
          await until(
            () =>
              cluster.leaderships.some(
                (one) => one.topic === load.topic && one.partition === 0 && one.epoch > epoch,
              ),
            RECOVERY,
            'Another leader',
          )
          await load.untilFlowing(since + SESSION, RECOVERY)
        } finally {
          leader.resume()
        }
        await load.untilFlowing(performance.now(), RECOVERY)
      })
      expect(broken).toEqual([])
    })

    test('a holder of a lock that was stopped for too long cannot write with its old token', async () => {
      const program = await bundleProgram('test/cluster/paused/child.ts', 'paused')
      const child = spawn(process.execPath, [program, JSON.stringify(cluster.urls)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const remote = connect([...cluster.urls])
      try {
        const accepted: number[] = []
        let highest = 0
        let refused = 0
        let lost = false
        createInterface({ input: child.stdout }).on('line', (line) => {
          const [what, token] = line.split(' ')
          if (what === 'lost') lost = true
          else if (Number(token) < highest) refused++
          else {
            highest = Number(token)
            accepted.push(highest)
          }
        })
        await until(() => accepted.length > 0, RECOVERY, 'The first write')
        child.kill('SIGSTOP')
        const held = await new Lock(remote, 'paused').acquire()
        expect(held.token).toBeGreaterThan(highest)
        highest = held.token
        const before = accepted.length
        child.kill('SIGCONT')
        await until(() => lost, RECOVERY, 'The holder to learn that it lost the lock')
        expect(accepted.length).toBe(before)
        console.log(`the stopped holder wrote ${refused} times with its old token, and was refused`)
        await held.release()
      } finally {
        child.kill('SIGKILL')
        if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
        await remote.close()
      }
    })

    test('all brokers are killed at once and started again: nothing acknowledged is lost', async () => {
      const broken = await underLoad(cluster, { topic: 'all' }, async (load) => {
        await Promise.all(cluster.brokers.map((broker) => broker.kill()))
        await Promise.all(cluster.brokers.map((broker) => broker.start()))
        await load.untilFlowing(performance.now(), RECOVERY)
      })
      expect(broken).toEqual([])
    })
  },
)

describeCluster('a cluster with the default session', { timeout: 240_000 }, () => {
  let cluster: FireCluster
  beforeAll(async () => {
    cluster = await FireCluster.open({
      sessionTimeout: 6_000,
      http: {
        auth: { tokens: [{ token: CLIENT, principal: 'administrator' }] },
        cluster: { secret: 'the-s3cret-of-this-cluster-0123456789' },
      },
    })
  }, 120_000)
  afterAll(async () => {
    await cluster.close()
    await cluster.remove()
  })

  test('brokers are restarted one after the other: leadership moves first, no send fails, and sends hardly wait', async () => {
    const broken = await underLoad(cluster, { topic: 'rolling', token: CLIENT }, async (load) => {
      // The same sends while nothing happens: what they take on this machine now.
      const before = performance.now()
      await until(
        () => load.ledger.acknowledgements.filter(({ at }) => at > before).length > CALM,
        RECOVERY,
        'The control',
      )
      const since = performance.now()
      for (const broker of cluster.brokers) {
        await broker.stop()
        await load.untilFlowing(performance.now(), RECOVERY)
        await broker.start()
        await load.untilInSync(RECOVERY)
      }
      const end = performance.now()
      const slow = slowest(load, since, end)
      const control = slowest(load, before, since)
      const allowance = Math.max(SENDS_TO_MOVE * control, stalls.allowance(since, end, 0.99))
      console.log(
        `rolling restart: p99 of sends ${ms(slow)}, before it ${ms(control)}; the machine is allowed ${ms(allowance)}`,
      )
      expect(slow).toBeLessThan(500 + allowance)
      expect(load.ledger.counts.undecided).toBe(0)
    })
    expect(broken).toEqual([])
  })

  test('the token of a client, an administrator even, is none of a broker: it cannot replicate, lead or be the controller', async () => {
    for (const url of cluster.urls) {
      for (const path of PEER_PATHS) {
        const headers = { authorization: `Bearer ${CLIENT}`, 'content-type': 'application/json' }
        const response = await fetch(`${url}/peer/v1/${path}`, { method: 'POST', headers, body: '{}' })
        expect(response.status, path).toBe(401)
      }
    }
  })
})

/** What 99 of 100 sends took at most that were acknowledged between two moments (ms). */
function slowest({ ledger }: Load, since: number, end: number): number {
  const took = ledger.acknowledgements.filter(({ at }) => at >= since && at < end).map((one) => one.took)
  return took.sort((a, b) => a - b)[Math.floor(took.length * 0.99)]!
}
