import { expect, onTestFinished, test } from 'vitest'
import type { CoordinationAdapter } from '../../src/coordination/coordination.js'
import { CoordinationTree } from '../../src/coordination/tree.js'
import { connect, http } from '../../src/http.js'
import { Admin, type Broker, Consumer, createBroker, Producer } from '../../src/index.js'
import { LogBook, temporaryDirectory } from './support/broker.js'

/** Brokers that agree through one tree in this process. */
async function openCluster(count: number): Promise<Broker[]> {
  const tree = await CoordinationTree.open({ load: async () => new Map(), save: async () => {} })
  const coordination: CoordinationAdapter = async () => tree.connect()
  const brokers: Broker[] = []
  for (let at = 0; at < count; at++) {
    const broker = await createBroker({
      directory: await temporaryDirectory(),
      coordination,
      transport: http({ port: 0 }),
      replicas: count,
      logger: new LogBook(),
    })
    onTestFinished(() => broker.close())
    brokers.push(broker)
  }
  return brokers
}

test('a connection talks to the leaders, goes on when one of them leaves, and delivers everything once', async () => {
  const brokers = await openCluster(3)
  const remote = connect(brokers[0]!.url!, { logger: new LogBook() })
  onTestFinished(() => remote.close())
  await new Admin(remote).createTopic('t', { partitions: 6 })
  const producer = new Producer(remote)
  const values = Array.from({ length: 200 }, (_, at) => `m${at}`)
  const got: unknown[] = []
  const consumer = new Consumer(remote, 't', { group: 'g' })
  const run = consumer.run((message) => void got.push(message.value))
  await Promise.all(values.slice(0, 100).map((value) => producer.send('t', value, { key: value })))
  const closing = brokers[2]!.close()
  await Promise.all(values.slice(100).map((value) => producer.send('t', value, { key: value })))
  await expect.poll(() => new Set(got).size, { timeout: 20_000 }).toBe(200)
  await closing
  await producer.close()
  await consumer.close()
  await run
}, 60_000)
