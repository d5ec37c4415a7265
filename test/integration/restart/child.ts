import { writeSync } from 'node:fs'
import { Admin, Consumer, createBroker, Lock, Producer } from '../../../src/index.js'

/** Fills a broker with one of everything, says what it knows for certain, and waits to be killed; or closes, with `close`. */
const [directory = '', end = ''] = process.argv.slice(2)

const broker = await createBroker({ directory })
const admin = new Admin(broker)
const producer = new Producer(broker)

await admin.createTopic('wide', {
  partitions: 3,
  retention: { after: 7_200_000, bytes: 10 ** 9 },
  maxMessageBytes: 5_000,
  dedupe: { window: 3_600_000 },
})
await admin.addPartitions('wide', 4)
const wide = []
for (let at = 0; at < 300; at++) wide.push(producer.send('wide', { at }, { key: `k${at}`, id: `id-${at}` }))
const places = (await Promise.all(wide)).map(({ partition, offset }) => [partition, offset])

await producer.sendBatch(
  'one',
  Array.from({ length: 100 }, (_, at) => ({ value: at, headers: { at: String(at) }, key: `key-${at}` })),
)
const consumer = new Consumer<number>(broker, 'one', {
  group: 'g',
  maxDeliveries: 3,
  backoff: { initial: 3_600_000, max: 3_600_000 },
  deadLetter: 'graves',
})
for (let at = 0; at < 80; at++) {
  const message = await consumer.receive()
  if (at < 50) void message.ack()
  else if (at < 60) void message.nack({ reason: 'later' })
  else if (at < 70) void message.reject(`bad ${at}`)
}
const settled = async () => {
  const [partition] = (await admin.describeGroup('one', 'g')).partitions
  return partition!.acked === 50 && partition!.retrying === 10 && partition!.deadLettered === 10
}
while (!(await settled())) await new Promise((resolve) => setImmediate(resolve))

await admin.createGroup('one', 'paused', { from: 'latest' })
await admin.pauseGroup('one', 'paused')
await admin.createTopic('gone')
await producer.send('gone', 1)
await admin.deleteTopic('gone')

const { token } = await new Lock(broker, 'l').acquire()
const { epoch } = (await admin.describeTopic('one')).partitions[0]!
writeSync(1, `known ${JSON.stringify({ places, token, epoch, id: broker.id })}\n`)
if (end === 'close') await broker.close()
else setInterval(() => {}, 1_000)
