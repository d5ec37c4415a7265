import { beside, type Row } from '../figure.js'
import { APPEND, rawAppendTimes } from '../support/baselines.js'
import { openBench } from '../support/broker.js'
import { fill, soleConsumer } from '../support/load.js'
import type { ConsumerType } from '../support/package.js'
import { median, rate } from '../support/statistics.js'

/** Receive one, await its ack, receive the next. */
export const pingRow: Row = async ({ directory, quick }) => {
  const bench = await openBench(directory)
  const share = quick ? 2_000 : 5_000
  const rounds = quick ? 2 : 5
  const figures = []
  for (const consumers of [1, 16]) {
    const topic = `topic-${consumers}`
    await fill(bench.producer, topic, consumers * share * (rounds + 1))
    const all = Array.from({ length: consumers }, () => soleConsumer(bench.broker, topic, 'group'))
    const round = () => Promise.all(all.map((consumer) => receiveAndAck(consumer, share)))
    await round()
    const [rates, syncs]: number[][] = [[], []]
    for (let i = 0; i < rounds; i++) {
      syncs!.push(1_000 / median(rawAppendTimes(directory, 1_000)))
      rates!.push(await rate(consumers * share, round))
    }
    await Promise.all(all.map((consumer) => consumer.close()))
    const value = median(rates!)
    figures.push({
      what: `receive, ack, receive the next: ${consumers} consumer${consumers > 1 ? 's' : ''}`,
      value,
      unit: '/s' as const,
      goal: { atLeast: consumers === 1 ? 2_400 : 25_000 },
      beside: [beside(`${APPEND}, one by one`, value, median(syncs!))],
    })
  }
  await bench.close()
  return figures
}

async function receiveAndAck(consumer: ConsumerType, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const message = await consumer.receive()
    await message.ack()
  }
}
