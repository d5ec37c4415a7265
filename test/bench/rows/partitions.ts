import { beside, type Row } from '../figure.js'
import { openBench } from '../support/broker.js'
import { consume, publish, soleConsumer } from '../support/load.js'
import { median, rate } from '../support/statistics.js'

/** The same load on a topic of 1,000 partitions and of one. */
export const partitionsRow: Row = async ({ directory, quick }) => {
  const count = quick ? 200_000 : 1_000_000
  const bench = await openBench(directory)
  const measure = async (topic: string) => {
    const consumer = soleConsumer(bench.broker, topic, 'group')
    const value = await rate(count, () =>
      Promise.all([publish(bench.producer, topic, count), consume(consumer, count)]),
    )
    await consumer.close()
    return value
  }
  const [one, many]: number[][] = [[], []]
  await bench.admin.createTopic('one', { partitions: 1 })
  await bench.admin.createTopic('many', { partitions: 1_000 })
  for (let round = 0; round < (quick ? 3 : 5); round++) {
    const values = [await measure('one'), await measure('many')]
    if (round === 0) continue
    one!.push(values[0]!)
    many!.push(values[1]!)
  }
  await bench.close()
  const value = median(many!)
  return [
    {
      what: 'publish and consume with 1,000 partitions ÷ one',
      value: value / median(one!),
      unit: '×',
      goal: { atLeast: 0.5 },
      beside: [beside('one partition, /s', value, median(one!))],
    },
  ]
}
