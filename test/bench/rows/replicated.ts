import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { beside, type Figure, type Row } from '../figure.js'
import { APPEND, rawAppend, rawAppendTimes } from '../support/baselines.js'
import { type BenchCluster, withCluster } from '../support/cluster.js'
import { median, quantile } from '../support/statistics.js'

/** What a replicated figure is compared with: the same client and brokers, and nobody to wait for. */
const ALONE = 'one replica'
/** ZooKeeper's sessions as brokers ask for them by default (ms). */
const SESSION = 6_000

/** One producer, three replicas, each acknowledgement after the fsync of all in sync; in turns with a topic of one replica. */
export const replicatedRow: Row = ({ directory, quick }) =>
  withCluster(directory, async (cluster) => {
    const { client } = cluster
    const count = quick ? 200_000 : 1_000_000
    const three = await makeTopic(cluster, 'three', 3)
    const one = await makeTopic(cluster, 'one', 1)
    const rate = async ({ topic, urls }: BenchTopic, messages: number) =>
      (messages / (await client.play('publish', urls, topic, messages))) * 1_000
    await rate(one, count / 4)
    await rate(three, count / 4)
    const [append, alone, replicated]: number[][] = [[], [], []]
    for (let round = 0; round < (quick ? 3 : 5); round++) {
      append!.push(rawAppend(directory, count))
      alone!.push(await rate(one, count))
      replicated!.push(await rate(three, count))
    }
    const value = median(replicated!)
    return [
      {
        what: 'three replicas: publish, one producer, acked by all in sync',
        value,
        unit: '/s',
        goal: { atLeast: 180_000 },
        beside: [beside(ALONE, value, median(alone!)), beside(APPEND, value, median(append!))],
      },
    ]
  })

/** One send at a time, and from send to hand at 1,000 a second. */
export const replicatedLatencyRow: Row = ({ directory, quick }) =>
  withCluster(directory, async (cluster) => {
    const { client } = cluster
    const [lonely, end, one] = [
      await makeTopic(cluster, 'lone', 3),
      await makeTopic(cluster, 'end', 3),
      await makeTopic(cluster, 'one', 1),
    ]
    const syncs = rawAppendTimes(directory, 1_000)
    const alone = await client.play('lone', one.urls, quick ? 1_000 : 5_000, 'one')
    const lone = await client.play('lone', lonely.urls, quick ? 1_000 : 5_000)
    const through = await client.play('endToEnd', end.urls, quick ? 4 : 15)
    syncs.push(...rawAppendTimes(directory, 1_000))
    const figure = (what: string, values: readonly number[], q: number, below: number): Figure => {
      const value = quantile(values, q)
      const baselines = [
        beside(`${ALONE}, one send at a time`, value, quantile(alone, q)),
        beside(APPEND, value, quantile(syncs, q)),
      ]
      return { what, value, unit: 'ms', goal: { below }, beside: baselines }
    }
    return [
      figure('three replicas: one send at a time, p50', lone, 0.5, 1.2),
      figure('three replicas: one send at a time, p99', lone, 0.99, 4),
      figure('three replicas: end to end at 1,000 /s, p50', through, 0.5, 1.6),
      figure('three replicas: end to end at 1,000 /s, p99', through, 0.99, 6),
    ]
  })

/** The leader is killed with SIGKILL while a client sends: how long nothing is acknowledged. A send that fails fails the row. */
export const failoverRow: Row = async ({ directory, quick }) => {
  const gaps: number[] = []
  for (let round = 0; round < (quick ? 1 : 3); round++) gaps.push(await failover(join(directory, `${round}`)))
  const value = median(gaps)
  return [
    {
      what: 'three replicas: kill -9 of the leader, until acknowledged again',
      value,
      unit: 'ms',
      goal: { below: SESSION + 1_000 },
      beside: [beside("ZooKeeper's session", value, SESSION)],
    },
  ]
}

/** The longest time without an answer (ms). */
function failover(directory: string): Promise<number> {
  return withCluster(directory, async (cluster) => {
    const { brokers, client } = cluster
    const { leader, urls } = await makeTopic(cluster, 'topic', 3)
    await client.play('watchStart', urls, 'topic')
    await pause(1_000)
    brokers.get(leader)!.end()
    await pause(SESSION + 6_000)
    const { longest, failed } = await client.play('watchStop')
    if (failed > 0) throw new Error(`${failed} sends failed.`)
    return longest
  })
}

interface BenchTopic {
  readonly topic: string
  readonly leader: string
  /** Of all brokers, its leader first: whoever comes elsewhere is passed on, which is another thing to measure. */
  readonly urls: readonly string[]
}

async function makeTopic(
  { client, urls }: BenchCluster,
  topic: string,
  replicas: number,
): Promise<BenchTopic> {
  const { id, url } = await client.play('replicatedTopic', urls, topic, replicas)
  return { topic, leader: id, urls: [url, ...urls.filter((other) => other !== url)] }
}
