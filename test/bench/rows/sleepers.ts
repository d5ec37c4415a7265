import type { Row } from '../figure.js'
import { openBench } from '../support/broker.js'
import { soleConsumer, VALUE } from '../support/load.js'
import { median } from '../support/statistics.js'

const SLEEPERS = 1_000

/** 1,000 consumers asleep in one group, woken by as many messages: from the first send to the last in hand. */
export const sleepersRow: Row = async ({ directory, quick }) => {
  const bench = await openBench(directory)
  await bench.producer.send('topic', VALUE)
  const consumers = Array.from({ length: SLEEPERS }, () => soleConsumer(bench.broker, 'topic', 'group'))
  await (await consumers[0]!.receive()).ack()
  const taken: number[] = []
  for (let round = 0; round < (quick ? 3 : 10); round++) {
    const received = consumers.map((consumer) => consumer.receive())
    // All are asleep once nothing has stirred for a while.
    await new Promise((resolve) => setTimeout(resolve, 300))
    const began = performance.now()
    for (let i = 0; i < SLEEPERS; i++) void bench.producer.send('topic', VALUE)
    const messages = await Promise.all(received)
    taken.push(performance.now() - began)
    await Promise.all(messages.map((message) => message.ack()))
  }
  await Promise.all(consumers.map((consumer) => consumer.close()))
  await bench.close()
  return [{ what: '1,000 sleeping consumers woken', value: median(taken), unit: 'ms', goal: { below: 100 } }]
}
