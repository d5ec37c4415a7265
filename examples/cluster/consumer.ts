// Handles orders. Start several: each order goes to one of them.  consumer.ts http://localhost:5001 http://localhost:5002 http://localhost:5003
import { setTimeout as sleep } from 'node:timers/promises'
import { Consumer } from 'portal-mq'
import { connect } from 'portal-mq/http'
import { type Order, TOPIC } from './order.js'

const connection = connect(process.argv.slice(2))
connection.on('disconnect', ({ url }) =>
  console.log(`consumer ${process.pid}: ${url} does not answer, another one is asked`),
)
const consumer = new Consumer<Order>(connection, TOPIC, { group: 'packers' })
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => consumer.close())

let handled = 0
await consumer.run(
  async ({ value }) => {
    await sleep(20)
    handled++
    process.send?.({ handled: value.number })
  },
  { concurrency: 4 },
)
await connection.close()
console.log(`consumer ${process.pid}: ${handled} orders handled`)
