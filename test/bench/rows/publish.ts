import { beside, type Row } from '../figure.js'
import { APPEND, rawAppend, rawSqlite, SQLITE } from '../support/baselines.js'
import { openBench } from '../support/broker.js'
import { publish, VALUE } from '../support/load.js'
import type { ProducerType } from '../support/package.js'
import { median, rate } from '../support/statistics.js'

/** In turns with the baselines, on the same disk in the same minutes: the disk's moods meet all of them. */
export const publishRow: Row = async ({ directory, quick }) => {
  const count = quick ? 500_000 : 2_000_000
  const bench = await openBench(directory)
  await publish(bench.producer, 'warm', count / 4)
  const [append, sqlite, one, all, batch]: number[][] = [[], [], [], [], []]
  for (let round = 0; round < (quick ? 2 : 5); round++) {
    append!.push(rawAppend(directory, count))
    one!.push(await rate(count, () => publish(bench.producer, 'one', count)))
    sqlite!.push(rawSqlite(directory, count / 2).write)
    all!.push(await rate(count, () => publishAwaitingAll(bench.producer, 'all', count)))
    batch!.push(await rate(count, () => publishBatches(bench.producer, 'batch', count)))
  }
  await bench.close()
  const baselines = (value: number) => [
    beside(APPEND, value, median(append!)),
    beside(SQLITE, value, median(sqlite!)),
  ]
  const figure = (what: string, values: number[] | undefined, goal?: { atLeast: number }) => {
    const value = median(values!)
    return { what, value, unit: '/s' as const, goal, beside: baselines(value) }
  }
  return [
    figure('publish: send, the last of each 1,000 awaited', one, { atLeast: 600_000 }),
    {
      what: 'publish ÷ append + fdatasync',
      value: median(one!) / median(append!),
      unit: '×',
      goal: { atLeast: 0.5 },
    },
    figure('publish: Promise.all of 1,000 sends', all),
    figure('publish: sendBatch of 1,000', batch),
  ]
}

async function publishAwaitingAll(producer: ProducerType, topic: string, count: number): Promise<void> {
  const one = async (share: number) => {
    for (let sent = 0; sent < share; sent += 1_000) {
      const sends: Promise<unknown>[] = []
      for (let i = 0; i < 1_000; i++) sends.push(producer.send(topic, VALUE))
      await Promise.all(sends)
    }
  }
  await Promise.all(Array.from({ length: 20 }, () => one(count / 20)))
}

async function publishBatches(producer: ProducerType, topic: string, count: number): Promise<void> {
  const messages = Array.from({ length: 1_000 }, () => ({ value: VALUE }))
  const one = async (share: number) => {
    for (let sent = 0; sent < share; sent += 1_000) await producer.sendBatch(topic, messages)
  }
  await Promise.all(Array.from({ length: 20 }, () => one(count / 20)))
}
