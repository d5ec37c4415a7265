import { writeSync } from 'node:fs'
import { Admin, Consumer, createBroker } from '../../../src/index.js'

/**
 * Consumes a topic until everything is settled; the message 'poison' kills the process.
 *
 *     child.js DIRECTORY run        with a prefetched buffer
 *     child.js DIRECTORY receive    one at a time
 *     child.js DIRECTORY reject     rejects everything, and says `rejected N`
 */
const [directory = '', how = ''] = process.argv.slice(2)

const broker = await createBroker({ directory })
const consumer = new Consumer<number | 'poison'>(broker, 't', {
  maxDeliveries: 3,
  backoff: { initial: 0, max: 0 },
  prefetch: how === 'run' ? 20 : 'auto',
})

async function handle(value: number | 'poison'): Promise<void> {
  if (value === 'poison') process.kill(process.pid, 'SIGKILL')
  await new Promise((resolve) => setImmediate(resolve))
}

if (how === 'receive') {
  for (let message = await consumer.receive(); ; message = await consumer.receive()) {
    writeSync(1, `got ${message.value} ${message.deliveryCount}\n`)
    await handle(message.value)
    await message.ack()
    if (message.value === ('last' as never)) break
  }
} else if (how === 'reject') {
  await consumer.run(
    async (message) => {
      await message.reject('on purpose')
      writeSync(1, `rejected ${message.value}\n`)
    },
    { concurrency: 32 },
  )
} else {
  const admin = new Admin(broker)
  const ended = consumer.run(async ({ value, deliveryCount }) => {
    writeSync(1, `got ${value} ${deliveryCount}\n`)
    await handle(value)
  })
  for (;;) {
    const { lag, dying } = (await admin.describeGroup('t', 'default').catch(() => undefined))
      ?.partitions[0] ?? {
      lag: 1,
      dying: 0,
    }
    if (lag + dying === 0) break
    await new Promise((resolve) => setImmediate(resolve))
  }
  await consumer.close()
  await ended
}
await broker.close()
