import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { beside, type Figure, type Row } from '../figure.js'
import { APPEND, rawAppend, rawAppendTimes } from '../support/baselines.js'
import { withActors } from '../support/processes.js'
import { median, quantile } from '../support/statistics.js'

/** One broker, one producer, then one consumer, then four, each in a process of its own. */
export const networkRow: Row = ({ directory, quick }) =>
  withActors(6, async ([broker, producer, ...consumers]) => {
    const count = quick ? 300_000 : 1_000_000
    const url = await broker!.play('broker', join(directory, 'data'))
    await producer!.play('publish', url, 'warm', count / 4)
    const [append, published, alone, together]: number[][] = [[], [], [], []]
    for (let round = 0; round < (quick ? 2 : 4); round++) {
      append!.push(rawAppend(directory, count))
      published!.push((count / (await producer!.play('publish', url, 'topic', count))) * 1_000)
      const group = `alone-${round}`
      alone!.push((count / (await consumers[0]!.play('consume', url, 'topic', group, count))) * 1_000)
      const shares = await Promise.all(
        consumers.map((consumer) => consumer.play('compete', url, 'topic', `together-${round}`)),
      )
      const began = Math.min(...shares.map((share) => share.began))
      const ended = Math.max(...shares.map((share) => share.ended))
      together!.push((shares.reduce((sum, { taken }) => sum + taken, 0) / (ended - began)) * 1_000)
    }
    const figure = (what: string, values: number[] | undefined, atLeast: number): Figure => {
      const value = median(values!)
      return { what, value, unit: '/s', goal: { atLeast }, beside: [beside(APPEND, value, median(append!))] }
    }
    return [
      figure('network: publish, one producer', published, 330_000),
      figure('network: consume, an ack each, 1 consumer', alone, 320_000),
      figure('network: consume, an ack each, 4 consumers', together, 400_000),
    ]
  })

/** One send at a time, and from send to hand at 1,000 a second, to a broker in another process. */
export const networkLatencyRow: Row = ({ directory, quick }) =>
  withActors(2, async ([broker, client]) => {
    const url = await broker!.play('broker', join(directory, 'data'))
    const syncs = rawAppendTimes(directory, 1_000)
    const echoes = await client!.play('echo', await broker!.play('echoServer'), 2_000)
    const lone = await client!.play('lone', url, quick ? 2_000 : 10_000)
    const through = await client!.play('endToEnd', url, quick ? 4 : 15)
    syncs.push(...rawAppendTimes(directory, 1_000))
    const figure = (what: string, values: readonly number[], q: number, below: number): Figure => {
      const value = quantile(values, q)
      const baselines = [
        beside(APPEND, value, quantile(syncs, q)),
        beside('an HTTP request', value, quantile(echoes, q)),
      ]
      return { what, value, unit: 'ms', goal: { below }, beside: baselines }
    }
    return [
      figure('network: one send at a time, p50', lone, 0.5, 0.45),
      figure('network: one send at a time, p99', lone, 0.99, 1.5),
      figure('network: end to end at 1,000 /s, p50', through, 0.5, 0.6),
      figure('network: end to end at 1,000 /s, p99', through, 0.99, 2.5),
    ]
  })

/** 5,000 consumers asleep over HTTP: what they cost the broker; and 1,000 woken by as many messages, in rounds. */
export const networkSleepersRow: Row = ({ directory, quick }) =>
  withActors(4, async ([broker, client, server, asker]) => {
    const rounds = quick ? 10 : 25
    const url = await broker!.play('broker', join(directory, 'data'))
    await client!.play('publish', url, 'warm', 10_000)
    await asleep(url)
    const before = await broker!.play('memory')
    await client!.play('sleep', url, 5_000)
    while ((await asleep(url)) < 5_000) await pause(100)
    const after = await broker!.play('memory')
    const woken: number[] = []
    for (let round = 0; round < rounds; round++) {
      while ((await asleep(url)) < 5_000) await pause(100)
      woken.push(await client!.play('wake', 1_000))
    }
    const bare = await asker!.play('hang', await server!.play('hangingServer'), 5_000, 1_000, rounds)
    const figure = (what: string, value: number, of: number): Figure => {
      return {
        what,
        value,
        unit: 'ms',
        goal: { below: 100 },
        beside: [beside('bare HTTP requests', value, of)],
      }
    }
    return [
      {
        what: 'network: 5,000 sleeping consumers, memory of the broker',
        value: (after - before) / 2 ** 20,
        unit: 'MB',
        goal: { below: 100 },
      },
      figure('network: 1,000 of 5,000 sleepers woken', median(woken), median(bare)),
      figure('network: … the first time, in fresh processes', woken[0]!, bare[0]!),
    ]
  })

/** How many consumers sleep at the broker, by what it says. */
async function asleep(url: string): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text()
  return Number(/^portal_mq_group_waiting_receives\{.*topic="sleep".*\} (\d+)$/m.exec(metrics)?.[1] ?? 0)
}
