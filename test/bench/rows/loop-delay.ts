import { beside, type Row } from '../figure.js'
import { openBench } from '../support/broker.js'
import { consume, paced, soleConsumer, VALUE } from '../support/load.js'
import { loopDelay } from '../support/loop-delay.js'

const RATE = 50_000

/** What the host's event loop feels of 50,000 messages per second, sent and consumed; beside the same process doing nothing. */
export const loopDelayRow: Row = async ({ directory, quick }) => {
  const seconds = quick ? 4 : 15
  const bench = await openBench(directory)
  const consumer = soleConsumer(bench.broker, 'topic', 'group')
  const load = (length: number) => async () => {
    await Promise.all([
      consume(consumer, RATE * length),
      paced(RATE, length, (due) => {
        for (let i = 0; i < due; i++) void bench.producer.send('topic', VALUE)
      }),
    ])
  }
  await load(1)()
  const idle = await loopDelay(() => paced(RATE, seconds / 4, () => {}))
  const value = await loopDelay(load(seconds))
  await consumer.close()
  await bench.close()
  return [
    {
      what: 'event-loop delay p99 at 50,000 /s',
      value,
      unit: 'ms',
      goal: { below: 2.5 },
      beside: [beside('the same process, idle', value, idle)],
    },
  ]
}
