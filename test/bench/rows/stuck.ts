import { beside, type Row } from '../figure.js'
import { openBench } from '../support/broker.js'
import { consume, fill, soleConsumer } from '../support/load.js'
import { rate } from '../support/statistics.js'

/** The first message is in hand for ever and a million after it are settled: consuming on costs what it did. */
export const stuckRow: Row = async ({ directory, quick }) => {
  const settled = quick ? 400_000 : 1_000_000
  const share = settled / 4
  const bench = await openBench(directory)
  for (const topic of ['with', 'without']) await fill(bench.producer, topic, 1 + settled + 4 * share)
  const holder = soleConsumer(bench.broker, 'with', 'group')
  const held = await holder.receive()
  const consumers = ['with', 'without'].map((topic) => soleConsumer(bench.broker, topic, 'group'))
  for (const consumer of consumers) await consume(consumer, settled)
  const [stuck, free]: number[] = [0, 0]
  const rates = [stuck!, free!]
  for (let round = 0; round < 4; round++) {
    for (const at of round % 2 === 0 ? [0, 1] : [1, 0])
      rates[at]! += (await rate(share, () => consume(consumers[at]!, share))) / 4
  }
  await held.ack()
  for (const consumer of [holder, ...consumers]) await consumer.close()
  await bench.close()
  return [
    {
      what: `consume with one stuck among ${settled / 1e6} M settled ÷ without`,
      value: rates[0]! / rates[1]!,
      unit: '×',
      goal: { atLeast: 0.9 },
      beside: [beside('without, /s', rates[0]!, rates[1]!)],
    },
  ]
}
