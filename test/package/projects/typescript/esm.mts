import {
  Admin,
  Consumer,
  createBroker,
  Lock,
  type Message,
  PortalError,
  Producer,
  type Sent,
} from 'portal-mq'
import type { PortalError as ClientError } from 'portal-mq/client'
import { connect, http } from 'portal-mq/http'

interface Reading {
  readonly celsius: number
}

// Compiled for Node 20, where plain JavaScript has no `await using` yet.
await using broker = await createBroker({ directory: ':memory:' })
const sent: Sent = await new Producer(broker).send<Reading>('temp_1', { celsius: 21.4 })
const message: Message<Reading> | null = await new Consumer<Reading>(broker, 'temp_1').receive({
  timeout: 10_000,
})
if (message === null || message.offset !== sent.offset) throw new Error('The message did not come.')
console.log(`delivered ${JSON.stringify(message.value satisfies Reading)}`)
await message.ack()

await using served = await createBroker({ directory: ':memory:', transport: http({ port: 0 }) })
await using remote = connect(served.url ?? '')
await new Producer(remote).send<Reading>('temp_1', { celsius: 20 })

const topics = await new Admin(broker).listTopics()
if (topics.length === 0) throw new Error('The topic was not created.')
const held = await new Lock(broker, 'nightly-report').acquire()
await held.release()

// @ts-expect-error a value of the wrong type does not compile
const wrong: Message<string> = message
void wrong
const error: ClientError = new PortalError('CLOSED', 'The same class in every entry point.')
void error
