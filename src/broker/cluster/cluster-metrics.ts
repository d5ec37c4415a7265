import type { MetricFamily, MetricSample } from '../../protocol/metrics.js'
import type { ReplicaSet } from '../replication/replica-set.js'
import type { ClusterView } from './cluster-view.js'

/** What a broker counts of its part in the cluster, since it was started. */
export interface ClusterCounts {
  /** Partitions that it came to lead. */
  leaderships: number
  /** Partitions that it gave to another leader, in order. */
  handOvers: number
  /** Sessions with the coordination service. */
  sessions: number
}

export interface ClusterMetricParts {
  readonly view: ClusterView
  readonly replicas: ReplicaSet | undefined
  readonly counts: ClusterCounts
  readonly isController: boolean
  /** The term of the last controller that was heard of. */
  readonly term: number
  readonly isReachable: boolean
}

/** What is measured of the cluster: its own part by every broker, so that sums are those of the cluster. */
export function clusterFamilies(parts: ClusterMetricParts): MetricFamily[] {
  const { view, counts } = parts
  const replicas = [...(parts.replicas?.replicas ?? [])]
  const led = replicas.flatMap(({ led }) => led?.leading ?? [])
  const lags = new Map<string, number>()
  for (const leading of led) {
    for (const { broker, position } of leading.positions()) {
      const lag = Math.max(0, leading.end - Math.max(0, position))
      lags.set(broker, Math.max(lags.get(broker) ?? 0, lag))
    }
  }
  const sizes = led.map(({ document }) => document.inSync.length)
  const lacking = led.filter(({ document }) => document.inSync.length < document.replicas.length)
  const moving = led.filter(({ document }) => document.target !== undefined)
  const brokers = view.brokers()
  const states = ['alive', 'leaving', 'away'] as const
  const stateOf = ({ alive, leaving }: (typeof brokers)[number]) =>
    alive ? (leaving ? 'leaving' : 'alive') : 'away'
  return [
    gauge('portal_mq_cluster_controller', 'Whether this broker is the controller of the cluster.', [
      only(Number(parts.isController)),
    ]),
    gauge('portal_mq_cluster_controller_term', 'The term of the controller that was heard last.', [
      only(Math.max(0, parts.term)),
    ]),
    gauge(
      'portal_mq_cluster_brokers',
      'Brokers of the cluster, as this one knows them.',
      states.map((state) => ({
        labels: { state },
        value: brokers.filter((broker) => stateOf(broker) === state).length,
      })),
    ),
    gauge('portal_mq_cluster_leaderless_partitions', 'Partitions of the cluster that nobody leads.', [
      only(view.leaderless()),
    ]),
    gauge('portal_mq_coordination_connected', 'Whether the session with the coordination service lives.', [
      only(Number(parts.isReachable)),
    ]),
    counter(
      'portal_mq_coordination_sessions_total',
      'Sessions with the coordination service.',
      counts.sessions,
    ),
    gauge('portal_mq_replicas', 'Replicas that this broker has.', [only(replicas.length)]),
    gauge('portal_mq_leader_partitions', 'Partitions that this broker leads.', [only(led.length)]),
    gauge(
      'portal_mq_under_replicated_partitions',
      'Partitions led here of which not all replicas are in sync.',
      [only(lacking.length)],
    ),
    gauge('portal_mq_moving_partitions', 'Partitions led here that are moving.', [only(moving.length)]),
    gauge(
      'portal_mq_in_sync_replicas',
      'Partitions led here, by how many replicas are in sync.',
      [...new Set(sizes)]
        .sort((a, b) => a - b)
        .map((size) => ({
          labels: { replicas: String(size) },
          value: sizes.filter((one) => one === size).length,
        })),
    ),
    gauge(
      'portal_mq_replica_lag_entries',
      'Entries that a follower has not confirmed: the most of all partitions led here.',
      [...lags].map(([follower, value]) => ({ labels: { follower }, value })),
    ),
    counter('portal_mq_leaderships_total', 'Partitions that this broker came to lead.', counts.leaderships),
    counter(
      'portal_mq_hand_overs_total',
      'Partitions that this broker handed over to another leader.',
      counts.handOvers,
    ),
  ]
}

function only(value: number): MetricSample {
  return { labels: {}, value }
}

function gauge(name: string, help: string, samples: readonly MetricSample[]): MetricFamily {
  return { name, help, type: 'gauge', samples }
}

function counter(name: string, help: string, value: number): MetricFamily {
  return { name, help, type: 'counter', samples: [only(value)] }
}
