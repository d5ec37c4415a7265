// Acts on a sensor's readings:  controller.ts temp_1  . Start several for one topic: each reading goes to one of them.
import { setTimeout as sleep } from 'node:timers/promises'
import { Consumer, type Message } from 'portal-mq'
import { connect } from 'portal-mq/http'
import type { Reading } from './reading.js'

const [topic = 'temp_1'] = process.argv.slice(2)
const HOT = 25
const COLD = 3

const connection = connect(process.env['PORTAL_MQ_URL'] ?? 'http://localhost:5000')
const consumer = new Consumer<Reading>(connection, topic, {
  group: 'controllers',
  // A controller that dies keeps its readings this long (ms); then others get them. One that lives renews its leases.
  lease: 2_000,
})

// Takes no more, lets the reading in hand be finished, and gives back what waits: `run` ends, and with it the program.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => consumer.close())

let handled = 0
await consumer.run(handle)
await connection.close()
console.log(`${topic} controller ${process.pid}: handled ${handled} readings`)

/** A reading may come twice: if this process dies after acting on it and before its ack. Switching twice does no harm. */
async function handle({ value, deliveryCount }: Message<Reading>): Promise<void> {
  process.send?.({ began: value, deliveryCount })
  // Switching takes time. Whoever is killed meanwhile has not acked.
  await sleep(50)
  if (value.celsius > HOT) console.log(`${value.sensor}: ${value.celsius} °C, fan on`)
  if (value.celsius < COLD) console.log(`${value.sensor}: ${value.celsius} °C, heating on`)
  handled++
  process.send?.({ handled: value })
}
