import { beside, type Row } from '../figure.js'
import { type Bench, openBench } from '../support/broker.js'
import { consume, fill, publish } from '../support/load.js'
import { Consumer } from '../support/package.js'
import { median, rate } from '../support/statistics.js'

/**
 * Throughput, and the time to open, with many messages stored. The full and the empty broker run in turns, each in its own
 * directory: a disk that slows down meets both.
 */
export const storedRow: Row = async ({ directory, quick }) => {
  const stored = quick ? 1_000_000 : 10_000_000
  const filled = await openBench(directory, 'full')
  await fill(filled.producer, 'topic', stored)
  await filled.close()

  const began = performance.now()
  const full = await openBench(directory, 'full')
  const start = performance.now() - began
  const empty = await openBench(directory, 'empty')
  await full.admin.describeTopic('topic')

  const count = quick ? 300_000 : 1_000_000
  const [fullRates, emptyRates]: number[][] = [[], []]
  for (let round = 0; round < (quick ? 3 : 6); round++) {
    const [fullRate, emptyRate] = await inTurns(round, full, empty, count)
    // The first warms both up.
    if (round > 0) {
      fullRates!.push(fullRate)
      emptyRates!.push(emptyRate)
    }
  }
  await empty.close()
  await full.close()
  const [withMany, without] = [median(fullRates!), median(emptyRates!)]
  const name = `${stored / 1e6} M stored`
  return [
    {
      what: `publish and consume with ${name} ÷ empty`,
      value: withMany / without,
      unit: '×',
      goal: { atLeast: 0.9 },
      beside: [beside('empty, /s', withMany, without)],
    },
    { what: `start with ${name}`, value: start, unit: 'ms', goal: { below: 1_000 } },
  ]
}

/** Who goes first alternates. */
async function inTurns(round: number, full: Bench, empty: Bench, count: number): Promise<[number, number]> {
  if (round % 2 === 0) {
    const fullRate = await publishAndConsume(full, round, count)
    return [fullRate, await publishAndConsume(empty, round, count)]
  }
  const emptyRate = await publishAndConsume(empty, round, count)
  return [await publishAndConsume(full, round, count), emptyRate]
}

async function publishAndConsume(bench: Bench, round: number, count: number): Promise<number> {
  await bench.producer.send('topic', 'there is one')
  const consumer = new Consumer(bench.broker, 'topic', { group: `group-${round}`, from: 'latest' })
  // The group begins where the log ends now: this waits until it is made.
  await consumer.receive({ timeout: 100 })
  const value = await rate(count, () =>
    Promise.all([publish(bench.producer, 'topic', count), consume(consumer, count)]),
  )
  await consumer.close()
  return value
}
