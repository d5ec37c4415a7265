import { beside, type Row } from '../figure.js'
import { rawSqlite } from '../support/baselines.js'
import { openBench } from '../support/broker.js'
import { consume, consumeByRun, fill, soleConsumer } from '../support/load.js'
import { median, rate } from '../support/statistics.js'

/** From the disk: the topic is far larger than the broker's cache. 4,096 is the largest prefetch. */
export const consumeRow: Row = async ({ directory, quick }) => {
  const count = quick ? 500_000 : 2_000_000
  const bench = await openBench(directory)
  await fill(bench.producer, 'topic', count)
  const [read, large, standard, run]: number[][] = [[], [], [], []]
  for (let round = 0; round < (quick ? 2 : 5); round++) {
    const sole = (name: string, prefetch?: number) =>
      soleConsumer(bench.broker, 'topic', `${name}-${round}`, prefetch)
    read!.push(rawSqlite(directory, count / 2).read)
    const wide = sole('large', 4_096)
    large!.push(await rate(count, () => consume(wide, count)))
    await wide.close()
    const plain = sole('standard')
    standard!.push(await rate(count, () => consume(plain, count)))
    await plain.close()
    run!.push(await rate(count, () => consumeByRun(sole('run'), count, 100)))
  }
  await bench.close()
  const figure = (what: string, values: number[] | undefined, atLeast?: number) => {
    const value = median(values!)
    const goal = atLeast === undefined ? undefined : { atLeast }
    return { what, value, unit: '/s' as const, goal, beside: [beside('SQLite read', value, median(read!))] }
  }
  return [
    figure('consume, an ack each: for await, prefetch 4,096', large, 600_000),
    figure('consume, an ack each: for await, default prefetch', standard, 600_000),
    figure('consume, an ack each: run, concurrency 100', run),
  ]
}
