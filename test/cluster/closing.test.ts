import { afterAll, beforeAll, expect, it } from 'vitest'
import { connect } from '../../src/http.js'
import { Admin, Consumer, isPortalError, Producer } from '../../src/index.js'
import { seededRandom } from '../../src/runtime/virtual.js'
import { FireCluster } from '../torture/fire-cluster.js'
import { until } from '../torture/load.js'
import { describeCluster } from './support/servers.js'

const SESSION = 2_000
/** Milliseconds. */
const PATIENCE = 60_000
const PARTITIONS = 3
const GROUP = 'workers'

describeCluster('consumers that close while leaders go', { timeout: 240_000 }, () => {
  let cluster: FireCluster
  beforeAll(async () => {
    cluster = await FireCluster.open({ sessionTimeout: SESSION, servers: 1 })
  }, 120_000)
  afterAll(async () => {
    await cluster.close()
    await cluster.remove()
  })

  it.each(['stops', 'is killed'] as const)(
    'have settled by then what their handlers had finished, although a broker %s',
    async (end) => {
      const topic = `closing-${end === 'stops' ? 1 : 2}`
      const random = seededRandom(1)
      const remote = connect([...cluster.urls], { timeout: 3_000 })
      const admin = new Admin(remote)
      /** How many are acked, as all leaders say. */
      const countAcked = async () => {
        let acked = 0
        const counted = async () => {
          const { partitions } = await admin.describeGroup(topic, GROUP).catch((error: unknown) => {
            if (isPortalError(error, 'DISCONNECTED', 'NOT_LEADER', 'TIMEOUT')) return { partitions: [] }
            throw error
          })
          acked = partitions.reduce((sum, partition) => sum + partition.acked, 0)
          return partitions.length === PARTITIONS
        }
        await until(counted, PATIENCE, 'All leaders to say what is acked')
        return acked
      }
      const producer = new Producer(remote)
      let sending: NodeJS.Timeout | undefined
      try {
        await admin.createTopic(topic, { partitions: PARTITIONS, replicas: 3, minInSync: 2 })
        const handled = new Set<number>()
        let next = 0
        sending = setInterval(() => producer.send(topic, next++).catch(() => {}), 2)
        for (const broker of cluster.brokers) {
          const connections = [1, 2].map(() => connect([...cluster.urls], { timeout: 3_000 }))
          const consumers = connections.map((one) => new Consumer<number>(one, topic, { group: GROUP }))
          const runs = consumers.map((consumer) =>
            consumer.run(async ({ value }) => void handled.add(value), { concurrency: 4 }),
          )
          const before = handled.size
          await until(() => handled.size > before + 100, PATIENCE, 'Messages to be handled')
          const ending = end === 'stops' ? broker.stop() : broker.kill()
          // Somewhere on the way from one leader to the next.
          const wait = random.float() * (end === 'stops' ? 1_000 : SESSION)
          await new Promise((resolve) => setTimeout(resolve, wait))
          await Promise.all(consumers.map((consumer) => consumer.close()))
          const settled = handled.size
          await Promise.all([...runs, ending])
          expect(handled.size).toBe(settled)
          expect(await countAcked()).toBe(settled)
          await Promise.all(connections.map((one) => one.close()))
          await broker.start()
          const whole = async () => {
            const { partitions } = await admin.describeTopic(topic)
            return partitions.every(({ inSync }) => inSync.length === 3)
          }
          await until(whole, PATIENCE, 'All replicas to be in sync')
        }
      } finally {
        clearInterval(sending)
        await remote.close()
      }
    },
  )
})
