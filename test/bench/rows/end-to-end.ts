import { beside, type Row } from '../figure.js'
import { APPEND, rawAppendTimes } from '../support/baselines.js'
import { openBench } from '../support/broker.js'
import { paced, soleConsumer } from '../support/load.js'
import { quantile } from '../support/statistics.js'

/** From `send` to the consumer's hands at 1,000 messages per second; the consumer acks each. */
export const endToEndRow: Row = async ({ directory, quick }) => {
  const seconds = quick ? 4 : 15
  const bench = await openBench(directory)
  const consumer = soleConsumer(bench.broker, 'topic', 'group')
  await bench.producer.send('topic', { at: 0 })
  const taken: number[] = []
  const total = 1_000 * seconds
  const receive = async () => {
    let received = 0
    for await (const message of consumer) {
      const { at } = message.value as { at: number }
      // What is measured begins once everything has run for a second.
      if (received > 1_000) taken.push(performance.now() - at)
      void message.ack()
      if (++received > total) break
    }
  }
  const send = () =>
    paced(1_000, seconds, (due) => {
      for (let i = 0; i < due; i++)
        void bench.producer.send('topic', { at: performance.now(), filler: FILLER })
    })
  const syncs = rawAppendTimes(directory, 1_000)
  await Promise.all([receive(), send()])
  syncs.push(...rawAppendTimes(directory, 1_000))
  await consumer.close()
  await bench.close()
  const figure = (name: string, q: number, below: number) => {
    const value = quantile(taken, q)
    return {
      what: `end to end at 1,000 /s, ${name}`,
      value,
      unit: 'ms' as const,
      goal: { below },
      beside: [beside(APPEND, value, quantile(syncs, q))],
    }
  }
  return [figure('p50', 0.5, 0.4), figure('p99', 0.99, 1.5)]
}

const FILLER = 'portal-mq '.repeat(6)
