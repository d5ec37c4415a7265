import { beside, type Row } from '../figure.js'
import { APPEND, rawAppendTimes, rawSqliteTimes, SQLITE } from '../support/baselines.js'
import { openBench } from '../support/broker.js'
import { VALUE } from '../support/load.js'
import { quantile } from '../support/statistics.js'

/** One send at a time, each awaited: nothing shares its commit. */
export const loneRow: Row = async ({ directory, quick }) => {
  const rounds = quick ? 3 : 10
  const each = 500
  const bench = await openBench(directory)
  const send = async (count: number) => {
    const taken: number[] = []
    for (let i = 0; i < count; i++) {
      const began = performance.now()
      await bench.producer.send('topic', VALUE)
      taken.push(performance.now() - began)
    }
    return taken
  }
  await send(each)
  const [ours, append, sqlite]: number[][] = [[], [], []]
  for (let round = 0; round < rounds; round++) {
    append!.push(...rawAppendTimes(directory, each))
    ours!.push(...(await send(each)))
    sqlite!.push(...rawSqliteTimes(directory, each))
  }
  await bench.close()
  const figure = (name: string, q: number, below: number) => {
    const value = quantile(ours!, q)
    return {
      what: `one send at a time, ${name}`,
      value,
      unit: 'ms' as const,
      goal: { below },
      beside: [beside(APPEND, value, quantile(append!, q)), beside(SQLITE, value, quantile(sqlite!, q))],
    }
  }
  return [figure('p50', 0.5, 0.3), figure('p99', 0.99, 0.8)]
}
