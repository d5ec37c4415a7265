// Publishes measurements to a topic of its own:  sensor.ts temp 1 5  sends five temperatures a second to temp_1
import { setInterval } from 'node:timers/promises'
import { Producer } from 'portal-mq'
import { connect } from 'portal-mq/http'
import type { Reading } from './reading.js'
import { measurements } from './thermometer.js'

const [kind = 'temp', number = '1', rate = '1'] = process.argv.slice(2)
const topic = `${kind}_${number}`
const celsius = measurements(kind, Number(number))

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())

// It may be started before the broker, and outlives its restarts: what is measured meanwhile waits in the producer.
const connection = connect(process.env['PORTAL_MQ_URL'] ?? 'http://localhost:5000')
const producer = new Producer(connection)
let sent = 0
try {
  for await (const _ of setInterval(1_000 / Number(rate), undefined, { signal: stop.signal })) {
    const reading: Reading = { sensor: topic, number: sent, celsius: celsius(sent) }
    sent++
    // Not awaited: the next measurement comes on time even when the broker does not.
    producer
      .send(topic, reading)
      .catch((error) => console.error(`${topic}: reading ${reading.number}: ${error.message}`))
  }
} catch (error) {
  if (!stop.signal.aborted) throw error
}
// Waits until everything is stored, or has failed.
await producer.close()
await connection.close()
console.log(`${topic}: sent ${sent} readings`)
process.send?.({ sent })
