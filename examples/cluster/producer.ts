// Sends twenty orders a second, until it is told to end:  producer.ts http://localhost:5001 http://localhost:5002 http://localhost:5003
import { setTimeout as sleep } from 'node:timers/promises'
import { Producer } from 'portal-mq'
import { connect } from 'portal-mq/http'
import { type Order, TOPIC } from './order.js'

// Any broker of the cluster will do to begin with; more than one, as the first may be the one that is down.
const connection = connect(process.argv.slice(2))
connection.on('disconnect', ({ url }) =>
  console.log(`producer: ${url} does not answer, another one is asked`),
)
const producer = new Producer(connection)

const ending = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ending.abort())

let number = 0
let pause = 0
let last = performance.now()
const sends: Promise<void>[] = []
while (!ending.signal.aborted) {
  sends.push(send({ number: number++ }))
  await sleep(50)
}
// Rejects if one could not be stored within two minutes. There is nothing else to do about a leader that dies.
await Promise.all(sends)
await connection.close()
console.log(`producer: ${number} orders stored; the longest pause was ${Math.round(pause)} ms`)
process.send?.({ sent: number })

async function send(order: Order): Promise<void> {
  await producer.send(TOPIC, order)
  const now = performance.now()
  pause = Math.max(pause, now - last)
  last = now
}
