import { checkGroupName, checkName, checkTopicName } from '../core/names.js'
import type {
  ClusterChange,
  ClusterDescription,
  ClusterMoves,
  PartitionPlacement,
  UncleanElection,
} from '../protocol/cluster.js'
import type { ClientSide, Connection } from '../protocol/connection.js'
import type { GroupDescription, GroupPatch, GroupSummary } from '../protocol/groups.js'
import type { Explanation, Position, RemoteService } from '../protocol/service.js'
import type { TopicConfig, TopicDescription, TopicPatch, TopicSummary } from '../protocol/topics.js'
import { clientSideOf, closedReason } from './client-side.js'
import { type GroupOptions, resolveGroupOptions } from './consumer/options.js'
import { checkOptionNames, dateOption, definedOnly, describe, invalid, numberOption } from './options.js'

/** What a new topic may be given; the rest has defaults. */
export interface CreateTopicOptions {
  /** 1 to 10,000. @default 1 */
  readonly partitions?: number | undefined
  /** Copies of each partition. @default 1 embedded */
  readonly replicas?: number | undefined
  /** In-sync replicas that a send needs. @default ⌊replicas / 2⌋ + 1 */
  readonly minInSync?: number | undefined
  readonly retention?:
    | {
        /** Milliseconds that a settled message is kept, from its appending. @default 3,600,000 */
        readonly after?: number | undefined
        /** Milliseconds after which a message goes, settled or not. @default never */
        readonly age?: number | undefined
        /** Bytes per partition above which the oldest messages go, settled or not. @default no limit */
        readonly bytes?: number | undefined
      }
    | undefined
  /** The largest message, as encoded, in bytes. @default 1,048,576 */
  readonly maxMessageBytes?: number | undefined
  readonly dedupe?:
    | {
        /** Milliseconds for which an `id` is remembered. @default 600,000 */
        readonly window?: number | undefined
        /** How many ids a partition remembers at most. @default 1,000,000 */
        readonly ids?: number | undefined
      }
    | undefined
}

export interface SeekOptions {
  /** An offset (of every partition), the time of appending, or an end of the log. */
  readonly to: number | Date | 'earliest' | 'latest'
}

export interface ElectUncleanOptions {
  /** The id of the broker that shall lead. @default the first replica that lives */
  readonly broker?: string | undefined
}

export interface ExplainOptions {
  readonly partition: number
  readonly offset: number
}

const TOPIC_OPTIONS = [
  'partitions',
  'replicas',
  'minInSync',
  'retention',
  'maxMessageBytes',
  'dedupe',
] as const
const RETENTION_OPTIONS = ['after', 'age', 'bytes'] as const
const DEDUPE_OPTIONS = ['window', 'ids'] as const
const GROUP_OPTIONS = ['maxDeliveries', 'backoff', 'deadLetter'] as const
const BACKOFF_OPTIONS = ['initial', 'max', 'factor', 'jitter'] as const

/**
 * Makes, changes, describes and ends topics and groups.
 *
 * Every method rejects with INVALID_ARGUMENT before anything happens, with TOPIC_NOT_FOUND or GROUP_NOT_FOUND for what is not there,
 * and with CLOSED once the broker or connection is.
 *
 * @example
 * const admin = new Admin(broker)
 * await admin.createTopic('orders', { partitions: 12, retention: { after: 3_600_000 } })
 * console.log((await admin.describeGroup('orders', 'billing')).partitions[0].lag)
 */
export class Admin {
  readonly #side: ClientSide

  constructor(connection: Connection) {
    this.#side = clientSideOf(connection)
  }

  /** Makes a topic. TOPIC_EXISTS if there is one of that name. */
  async createTopic(name: string, options: CreateTopicOptions = {}): Promise<TopicDescription> {
    checkTopicName(name)
    checkOptionNames('createTopic', options, TOPIC_OPTIONS)
    checkNested('retention', options.retention, RETENTION_OPTIONS)
    checkNested('dedupe', options.dedupe, DEDUPE_OPTIONS)
    // The broker completes what is nested, too.
    return this.#service.createTopic({ name, config: definedOnly(options) as Partial<TopicConfig> })
  }

  /** All topics, by name. */
  async listTopics(): Promise<readonly TopicSummary[]> {
    return this.#service.listTopics()
  }

  /** A topic's configuration, and for each partition its leader, offsets, messages and bytes. */
  async describeTopic(name: string): Promise<TopicDescription> {
    checkTopicName(name)
    return this.#service.describeTopic({ name })
  }

  /** Changes a topic's retention, largest message or deduplication; `null` takes a limit of the retention away. */
  async updateTopic(name: string, patch: TopicPatch): Promise<TopicDescription> {
    checkTopicName(name)
    checkOptionNames('updateTopic', patch, ['retention', 'maxMessageBytes', 'dedupe'])
    checkNested('retention', patch.retention, RETENTION_OPTIONS)
    checkNested('dedupe', patch.dedupe, DEDUPE_OPTIONS)
    return this.#service.updateTopic({ name, patch })
  }

  /** Raises the number of partitions to `partitions`. Messages with a key may go to other partitions from then on. */
  async addPartitions(name: string, partitions: number): Promise<TopicDescription> {
    checkTopicName(name)
    numberOption('partitions', partitions, 1, { min: 1 })
    return this.#service.addPartitions({ name, partitions })
  }

  /** Deletes a topic with all its messages and groups. One made again under the name shares nothing with it. */
  async deleteTopic(name: string): Promise<void> {
    checkTopicName(name)
    await this.#service.deleteTopic({ name })
  }

  /** Makes a group before its first consumer does. GROUP_CONFLICT if there is one with other settings. */
  async createGroup(topic: string, group: string, options: GroupOptions = {}): Promise<GroupDescription> {
    const name = named(topic, group)
    checkOptionNames('createGroup', options, ['order', 'from', ...GROUP_OPTIONS])
    const { settings, from } = resolveGroupOptions(options)
    await this.#service.joinGroup({ ...name, settings, from, create: true })
    return this.#service.describeGroup(name)
  }

  /** The groups of a topic, by name, with their lag. */
  async listGroups(topic: string): Promise<readonly GroupSummary[]> {
    checkTopicName(topic)
    return this.#service.listGroups({ topic })
  }

  /** A group's settings, and for each partition its floor, lag, messages in flight, retrying and ended, and members. */
  async describeGroup(topic: string, group: string): Promise<GroupDescription> {
    return this.#service.describeGroup(named(topic, group))
  }

  /** Changes a group's settings, for all its consumers. */
  async updateGroup(topic: string, group: string, patch: GroupPatch): Promise<GroupDescription> {
    checkOptionNames('updateGroup', patch, GROUP_OPTIONS)
    checkNested('backoff', patch.backoff, BACKOFF_OPTIONS)
    return this.#service.updateGroup({ ...named(topic, group), patch })
  }

  /** Hands out no more messages until `resumeGroup`; those in hand can be settled. */
  async pauseGroup(topic: string, group: string): Promise<void> {
    await this.#service.pauseGroup(named(topic, group))
  }

  async resumeGroup(topic: string, group: string): Promise<void> {
    await this.#service.resumeGroup(named(topic, group))
  }

  /** Moves a group: messages from there on are delivered (again). Messages in hand are lost to their holders (LEASE_LOST). */
  async seekGroup(topic: string, group: string, options: SeekOptions): Promise<void> {
    checkOptionNames('seekGroup', options, ['to'])
    await this.#service.seekGroup({ ...named(topic, group), to: toPosition(options.to) })
  }

  /** Deletes a group and what it has settled. Its next consumer makes it anew. */
  async deleteGroup(topic: string, group: string): Promise<void> {
    await this.#service.deleteGroup(named(topic, group))
  }

  /** Why a message is not delivered to a group: a state, a sentence, and when it changes by itself, if it does. */
  async explain(topic: string, group: string, options: ExplainOptions): Promise<Explanation> {
    checkOptionNames('explain', options, ['partition', 'offset'])
    const partition = numberOption('partition', options.partition, 0)
    const offset = numberOption('offset', options.offset, 0)
    return this.#service.explain({ ...named(topic, group), partition, offset })
  }

  /** The brokers, the controller, and how much there is: the latter for who may administer all topics. */
  async describeCluster(): Promise<ClusterDescription> {
    return this.#service.describeCluster()
  }

  /** Where the partitions of a topic (or of all) are: leader, epoch, replicas, those in sync, and how far behind each is. */
  async describePlacement(topic?: string): Promise<readonly PartitionPlacement[]> {
    if (topic !== undefined) checkTopicName(topic)
    return this.#service.describePlacement({ topic })
  }

  /**
   * Spreads replicas and leaders evenly over the brokers that live, a few partitions at a time: one that was added takes its share. It goes on by
   * itself; called again, it says how much is left. UNSUPPORTED from a broker that is alone, as all that follows.
   */
  async rebalanceCluster(): Promise<ClusterMoves> {
    return this.#move({ type: 'rebalance' })
  }

  /**
   * Moves all replicas off a broker, a few at a time, and lets no new ones come to it, so that it can be taken away. Goes on as `rebalanceCluster`
   * does. INVALID_ARGUMENT if the cluster has no broker of this id.
   */
  async drainBroker(id: string): Promise<ClusterMoves> {
    return this.#move({ type: 'drain', broker: brokerId(id) })
  }

  /** Lets replicas come to a broker again. `rebalanceCluster` then gives it its share. */
  async undrainBroker(id: string): Promise<ClusterMoves> {
    return this.#move({ type: 'undrain', broker: brokerId(id) })
  }

  /**
   * Strikes a broker off the list that will never come back: deleted topics need not wait for it any more. INVALID_ARGUMENT while it lives, or
   * partitions are on it: drain it first.
   */
  async forgetBroker(id: string): Promise<void> {
    await this.#service.changeCluster({ type: 'forget', broker: brokerId(id) })
  }

  /**
   * Lets a replica lead a partition although it may lack acknowledged messages, which are then lost: for when all that had them are gone for good.
   * If somebody has them all, that one is elected, and nothing is lost. NOT_ENOUGH_REPLICAS if no replica lives, or the leader is well.
   */
  async electUnclean(
    topic: string,
    partition: number,
    options: ElectUncleanOptions = {},
  ): Promise<UncleanElection> {
    checkTopicName(topic)
    numberOption('partition', partition, 0)
    checkOptionNames('electUnclean', options, ['broker'])
    const broker = options.broker === undefined ? undefined : brokerId(options.broker)
    return (await this.#service.changeCluster({
      type: 'elect-unclean',
      topic,
      partition,
      broker,
    })) as UncleanElection
  }

  async #move(change: ClusterChange): Promise<ClusterMoves> {
    const { moves = 0 } = await this.#service.changeCluster(change)
    return { moves }
  }

  get #service(): RemoteService {
    if (this.#side.closed.aborted) throw closedReason(this.#side)
    return this.#side.service
  }
}

/** Where a seek or a reader begins, from what the user said. Throws INVALID_ARGUMENT. */
export function toPosition(at: unknown): Position {
  if (at === 'earliest' || at === 'latest') return at
  if (at instanceof Date) return { time: dateOption('a position', at) }
  if (Number.isSafeInteger(at) && (at as number) >= 0) return { offset: at as number }
  throw invalid(
    `A position is 'earliest', 'latest', a Date or an offset of at least 0; it is ${describe(at)}.`,
  )
}

function named(topic: string, group: string): { topic: string; group: string } {
  checkTopicName(topic)
  checkGroupName(group)
  return { topic, group }
}

function brokerId(id: string): string {
  return checkName('broker id', id)
}

function checkNested(name: string, value: unknown, known: readonly string[]): void {
  if (value !== undefined) checkOptionNames(name, value, known)
}
