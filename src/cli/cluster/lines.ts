import type { BrokerDescription, ClusterDescription, PartitionPlacement } from '../../index.js'
import { byteCount, tableLines } from '../table.js'

/** What is shown. */
export interface ClusterPicture {
  readonly cluster: ClusterDescription
  readonly partitions: readonly PartitionPlacement[]
}

/** How much of a broker's id tells it from the others at least. */
const SHORTEST = 4

/** The cluster as text of at most so many columns, as far as names allow. */
export function clusterLines({ cluster, partitions }: ClusterPicture, columns: number): string[] {
  const short = shortNames(cluster.brokers.map(({ id }) => id))
  const { topics, partitions: count, storage, controller, coordination } = cluster
  const disk = `disk here ${byteCount(storage?.usedBytes ?? 0)}`
  const isAlone = coordination === undefined
  const lacking = partitions.filter(({ inSync, replicas }) => inSync.length < replicas.length).length
  const leaderless = partitions.filter(({ leader }) => leader === undefined).length
  const moving = partitions.filter(({ target }) => target !== undefined).length
  const trouble = [
    leaderless > 0 ? `${leaderless} without a leader` : '',
    lacking > 0 ? `${lacking} under-replicated` : '',
    moving > 0 ? `${moving} moving` : '',
  ].filter((text) => text !== '')
  return [
    `cluster ${cluster.clusterId}   topics ${topics ?? 0}   partitions ${count ?? 0}`,
    ...(isAlone
      ? [`This broker is alone.   ${disk}`]
      : [
          `controller ${controller ? `${short(controller.id)} (term ${controller.term})` : 'none now'}   coordination ${
            coordination.reachable ? 'reachable' : 'NOT REACHABLE: nothing can be elected or changed'
          }   ${disk}`,
        ]),
    '',
    ...brokerLines(cluster.brokers, short, controller?.id),
    '',
    ...partitionLines(partitions, short, columns),
    ...(trouble.length > 0 ? ['', `Partitions: ${trouble.join(', ')}.`] : []),
  ]
}

function brokerLines(
  brokers: readonly BrokerDescription[],
  short: (id: string) => string,
  controller: string | undefined,
): string[] {
  const racks = brokers.some(({ rack }) => rack !== undefined)
  return tableLines(
    ['BROKER', 'STATE', 'LEADS', 'REPLICAS', 'START', ...(racks ? ['RACK'] : []), 'URL'],
    brokers.map((broker) => [
      short(broker.id),
      stateOf(broker, controller),
      broker.leaders ?? '',
      broker.replicas ?? '',
      broker.generation ?? '',
      ...(racks ? [broker.rack ?? ''] : []),
      broker.url ?? '',
    ]),
  )
}

function stateOf(
  { id, alive = true, leaving, full, stalled, drained }: BrokerDescription,
  controller: string | undefined,
): string {
  const words = [alive ? (leaving ? 'leaving' : 'alive') : 'AWAY']
  if (full) words.push('FULL')
  if (stalled) words.push('STALLED')
  if (drained) words.push('drained')
  if (id === controller) words.push('controller')
  return words.join(', ')
}

function partitionLines(
  partitions: readonly PartitionPlacement[],
  short: (id: string) => string,
  columns: number,
): string[] {
  const replicas = (ids: readonly string[], inSync: readonly string[]) =>
    ids.map((id) => (inSync.includes(id) ? short(id) : `(${short(id)})`)).join(' ')
  const rows = partitions.map((one) => [
    one.topic,
    String(one.partition),
    one.leader === undefined ? 'NONE' : short(one.leader),
    one.epoch,
    `${one.inSync.length}/${one.replicas.length}`,
    replicas(one.replicas, one.inSync) + (one.target ? ` → ${replicas(one.target, one.inSync)}` : ''),
    one.log?.highWatermark ?? '',
    lagOf(one, short),
  ])
  const headings = ['TOPIC', 'PART', 'LEADER', 'EPOCH', 'SYNC', 'REPLICAS (not in sync)', 'COMMITTED', 'LAG']
  const lines = tableLines(headings, rows)
  const widest = Math.max(0, ...lines.map((line) => line.length))
  // Topics may have long names: they give way first.
  const room = Math.max(12, Math.max(5, ...partitions.map(({ topic }) => topic.length)) - (widest - columns))
  if (widest <= columns) return lines
  return tableLines(
    headings,
    rows.map(([topic, ...rest]) => [cut(String(topic), room), ...rest]),
  )
}

/** Entries that each replica has not confirmed; one number where they are alike. */
function lagOf({ log }: PartitionPlacement, short: (id: string) => string): string {
  if (!log) return '?'
  const behind = log.followers.filter(({ lag }) => lag !== 0)
  if (behind.length === 0) return '0'
  return behind
    .map(({ id, lag }) => `${short(id)} ${lag === undefined ? '?' : lag.toLocaleString('en')}`)
    .join(', ')
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`
}

/** As much of each id as tells it from all others. */
function shortNames(ids: readonly string[]): (id: string) => string {
  let length = SHORTEST
  while (length < 64 && new Set(ids.map((id) => id.slice(0, length))).size < ids.length) length++
  return (id) => id.slice(0, length)
}
