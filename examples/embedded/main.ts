// A worker inside this process: orders are billed two at a time, what fails is tried again, what keeps failing goes to the dead letters.
import { setTimeout as sleep } from 'node:timers/promises'
import { Consumer, createBroker, type Message, Producer, Reader } from 'portal-mq'

interface Order {
  readonly id: string
  readonly amount: number
}

// ':memory:' keeps nothing, which suits an example. In an application: a folder, and what was sent before a crash is there after it.
const broker = await createBroker({ directory: process.env['DIRECTORY'] ?? ':memory:' })
try {
  const producer = new Producer(broker)
  const orders: Order[] = [
    { id: 'order-1', amount: 20 },
    { id: 'order-2', amount: 35 },
    { id: 'order-3', amount: -1 },
    { id: 'order-4', amount: 8 },
  ]
  // The `id` makes sending repeatable: a web request that is tried again does not order twice.
  await Promise.all(orders.map((order) => producer.send('orders', order, { id: order.id })))
  const again = await producer.send('orders', orders[0]!, { id: 'order-1' })
  console.log(`order-1 was sent again: ${again.duplicate ? 'it is there already' : 'it is there twice'}`)

  const worker = new Consumer<Order>(broker, 'orders', {
    group: 'billing',
    maxDeliveries: 3,
    backoff: { initial: 100, max: 1_000 },
    // How long a crashed worker's orders stay with it. Living workers renew theirs while they work.
    lease: 10_000,
  })
  const working = worker.run(bill, { concurrency: 2 })

  // Whatever failed three times is an ordinary message of the topic 'orders.dead'.
  const dead = await new Consumer<Order>(broker, 'orders.dead', { group: 'support' }).receive()
  console.log(`${dead.value.id} is given up: ${dead.headers['portal-mq-reason']}`)
  await dead.ack()

  // Close ends `run`, after the handlers that are at work.
  await worker.close()
  await working

  // Reading settles nothing: what was acked is still there, for an hour by default, for who wants to look.
  for await (const { offset, value } of new Reader<Order>(broker, 'orders'))
    console.log(`${offset}: ${value.id}`)
} finally {
  await broker.close()
}

/** Returning acks the order; throwing brings it back, later each time. The signal aborts if the order is no longer ours. */
async function bill({ value: order, deliveryCount, signal }: Message<Order>): Promise<void> {
  await sleep(20, undefined, { signal })
  if (order.amount < 0) throw new Error(`cannot bill ${order.amount}`)
  if (order.id === 'order-2' && deliveryCount === 1) throw new Error('the bank does not answer')
  console.log(`${order.id} is billed, at delivery ${deliveryCount}`)
}
