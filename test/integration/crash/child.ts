import { writeSync } from 'node:fs'
import { Consumer, createBroker, isPortalError, Producer } from '../../../src/index.js'

/**
 * A process that sends and consumes under load until it is killed. What it knows for certain it writes to its standard output, a pipe, at once: the
 * parent reads it whatever becomes of the process.
 *
 *     ready            it is open
 *     sent N OFFSET    the send of message N has resolved
 *     got GROUP N      message N was delivered
 *     acked GROUP N    its ack has resolved
 */
const [directory = '', round = '0'] = process.argv.slice(2)

/** Whole and at once, however slow the parent reads: a line that waits in this process would die with it. */
function say(line: string): void {
  const bytes = Buffer.from(`${line}\n`)
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(1, bytes, at)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    }
  }
}

const broker = await createBroker({ directory })
const producer = new Producer(broker)
say('ready')

async function send(lane: number): Promise<never> {
  for (let count = 0; ; count++) {
    const burst = Array.from({ length: 1 + (count % 20) }, async (_, at) => {
      const number = Number(round) * 1_000_000 + lane * 250_000 + count * 20 + at
      const { offset } = await producer.send('load', { number }, at % 3 === 0 ? { id: `n${number}` } : {})
      say(`sent ${number} ${offset}`)
    })
    await Promise.all(burst)
  }
}

function work(group: string, concurrency: number): Promise<void> {
  const consumer = new Consumer<{ number: number }>(broker, 'load', {
    group,
    maxDeliveries: 1_000,
    backoff: { initial: 1, max: 10 },
  })
  return consumer.run(
    async (message) => {
      const { number } = message.value
      say(`got ${group} ${number}`)
      if (number % 17 === 0 && message.deliveryCount === 1) throw new Error('on purpose')
      try {
        await message.ack()
        say(`acked ${group} ${number}`)
      } catch (error) {
        if (!isPortalError(error, 'LEASE_LOST')) throw error
      }
    },
    { concurrency },
  )
}

await Promise.all([send(0), send(1), work('wide', 16), work('narrow', 1)])
