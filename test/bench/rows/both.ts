import { beside, type Row } from '../figure.js'
import { APPEND, rawAppend } from '../support/baselines.js'
import { openBench } from '../support/broker.js'
import { consume, publish, soleConsumer } from '../support/load.js'
import { loopDelay } from '../support/loop-delay.js'
import { median, rate } from '../support/statistics.js'

/** Publish and consume at the same time, and what the host's event loop feels of it. */
export const bothRow: Row = async ({ directory, quick }) => {
  const count = quick ? 500_000 : 2_000_000
  const bench = await openBench(directory)
  const consumer = soleConsumer(bench.broker, 'topic', 'group')
  const both = (share: number) => async () => {
    await Promise.all([publish(bench.producer, 'topic', share), consume(consumer, share)])
  }
  await both(count / 4)()
  const [append, rates, delays]: number[][] = [[], [], []]
  for (let round = 0; round < (quick ? 2 : 5); round++) {
    append!.push(rawAppend(directory, count / 2))
    rates!.push(await rate(count, async () => delays!.push(await loopDelay(both(count)))))
  }
  await consumer.close()
  await bench.close()
  const value = median(rates!)
  return [
    {
      what: 'publish and consume at the same time',
      value,
      unit: '/s',
      goal: { atLeast: 350_000 },
      beside: [beside(APPEND, value, median(append!))],
    },
    {
      what: 'event-loop delay p99, full load',
      value: median(delays!),
      unit: 'ms',
      goal: { below: 8 },
    },
  ]
}
