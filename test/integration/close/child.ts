import { writeSync } from 'node:fs'
import { Admin, Consumer, createBroker, Lock, Producer, Reader } from '../../../src/index.js'

/**
 * Begins everything that waits, and closes nothing but the broker; then the process must end by itself.
 *
 *     child.js DIRECTORY        says `closed`
 *     child.js DIRECTORY hold   says `open`, and holds the directory until it is killed
 */
const [directory = '', how = ''] = process.argv.slice(2)
const broker = await createBroker({ directory })

if (how === 'hold') {
  writeSync(1, 'open\n')
  setInterval(() => {}, 1_000)
} else {
  const quietly = (promise: Promise<unknown>) => void promise.catch(() => {})
  const producer = new Producer(broker)
  for (let at = 0; at < 50; at++) await producer.send('t', at)
  const consumer = new Consumer(broker, 't')
  await consumer.receive()
  await (await consumer.receive()).nack({ delay: 60_000 })
  quietly(new Consumer(broker, 't', { group: 'run' }).run(() => new Promise(() => {}), { concurrency: 5 }))
  quietly(new Consumer(broker, 'missing').receive())
  quietly(new Consumer(broker, 'missing').receive({ timeout: 60_000 }))
  quietly(new Reader(broker, 'missing', { live: true })[Symbol.asyncIterator]().next())
  const held = await new Lock(broker, 'l').acquire()
  quietly(new Lock(broker, 'l').acquire())
  for await (const message of new Consumer(broker, 't', { group: 'loop' })) if (message.offset === 3) break
  quietly(producer.send('t', 'under way'))
  while ((await new Admin(broker).describeGroup('t', 'run').catch(() => undefined)) === undefined);
  await broker.close()
  writeSync(1, `closed ${held.signal.aborted}\n`)
}
