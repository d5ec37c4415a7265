// A shop that takes orders over its own routes and works them off behind them, with a broker in its own process:
//   curl -X POST localhost:3000/orders -H 'content-type: application/json' -d '{"item": "lamp", "count": 2}'
//   curl localhost:3000/orders/…
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import express from 'express'
import { Consumer, createBroker, type Message, Producer } from 'portal-mq'

interface Order {
  readonly id: string
  readonly item: string
  readonly count: number
}

interface Progress {
  readonly state: 'waiting' | 'packing' | 'waiting to be tried again' | 'sent'
  readonly packed: number
  readonly of: number
}

const { PORT = '3000', DIRECTORY = './data/shop' } = process.env
const broker = await createBroker({ directory: DIRECTORY })
const producer = new Producer(broker)
const packers = new Consumer<Order>(broker, 'orders', { group: 'packers', backoff: { initial: 500 } })

// What customers see. The queue knows what is left to do; how far it is belongs to the shop, in its database if it has one.
const progress = new Map<string, Progress>()

const app = express()
app.use(express.json())

app.post('/orders', async (request, response) => {
  const { item, count } = request.body ?? {}
  if (typeof item !== 'string' || !Number.isSafeInteger(count) || count < 1) {
    response.status(400).json({ error: 'An order is {"item": "lamp", "count": 2}.' })
    return
  }
  // A customer who sends the same order again, with the same key, gets the same answer and one parcel.
  const id = request.get('idempotency-key') ?? randomUUID()
  const order: Order = { id, item, count }
  // Once this resolves the order is on the disk: it is packed, whatever happens to this process.
  const { duplicate } = await producer.send('orders', order, { id })
  if (!duplicate) progress.set(id, progress.get(id) ?? { state: 'waiting', packed: 0, of: count })
  response.status(202).location(`/orders/${id}`).json({ id })
})

app.get('/orders/:id', (request, response) => {
  const found = progress.get(request.params.id)
  if (found === undefined) response.status(404).json({ error: 'There is no such order.' })
  else response.json(found)
})

app.get('/orders', (_request, response) => {
  response.json(Object.fromEntries(progress))
})

const packing = packers.run(pack, { concurrency: 4 })
const server = app.listen(Number(PORT), '127.0.0.1')
await once(server, 'listening')
console.log(`the shop is open at http://localhost:${(server.address() as AddressInfo).port}`)

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, close)

async function pack({ value: { id, item, count }, deliveryCount, signal }: Message<Order>): Promise<void> {
  for (let packed = 0; packed < count; packed++) {
    progress.set(id, { state: 'packing', packed, of: count })
    await sleep(200, undefined, { signal })
    if (item === 'vase' && deliveryCount === 1) {
      progress.set(id, { state: 'waiting to be tried again', packed: 0, of: count })
      throw new Error('the vase broke')
    }
  }
  progress.set(id, { state: 'sent', packed: count, of: count })
}

/** No more orders first, then no more work than is in hand, then the broker. */
async function close(): Promise<void> {
  server.close()
  await packers.close()
  await packing
  await producer.close()
  await broker.close()
}
