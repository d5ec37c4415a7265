import type { PartitionDocument, ReplicaName, TopicDocument } from '../coordination/documents.js'
import type { Position } from '../protocol/service.js'
import type { TopicConfig } from '../protocol/topics.js'
import type { Hosting } from './hosting.js'
import { findOffset } from './read-service.js'
import type { Topic } from './topic.js'

/** How what the metadata says of topics and groups comes into force: a broker that is alone does it itself, one in a cluster waits for the controller. */
export interface Estate {
  /** What topics get that are made without saying it. */
  readonly defaults: { readonly replicas: number; readonly minInSync?: number | undefined }
  /** How many replicas a topic may have. */
  readonly maxReplicas: number
  /** Documents for new partitions `from` to `to` - 1. NOT_ENOUGH_REPLICAS if there are fewer brokers than `minInSync`. */
  place(
    topicId: string,
    from: number,
    to: number,
    config: Pick<TopicConfig, 'replicas' | 'minInSync'>,
  ): PartitionDocument[]
  /** The topic was made; resolves when it is shown here. */
  created(document: TopicDocument, partitions: readonly PartitionDocument[]): Promise<Topic>
  grown(topic: Topic, document: TopicDocument, added: readonly PartitionDocument[]): Promise<void>
  changed(topic: Topic, document: TopicDocument): Promise<void>
  deleted(topic: Topic): Promise<void>
  /** The offsets that a position stands for, of all partitions in order. */
  offsetsOf(topic: Topic, at: Position): Promise<number[]>
  /** Makes sure that what this broker knows of a topic's groups is not older than this call. */
  syncGroups(topic: Topic): Promise<void>
  /** The same of one group: a look at its document alone. */
  syncGroup(topic: Topic, group: string): Promise<void>
}

/** Of a broker that is alone: it leads everything. */
export class AloneEstate implements Estate {
  readonly defaults = { replicas: 1 }
  readonly maxReplicas = 1
  readonly #hosting: Hosting
  readonly #self: ReplicaName
  readonly #forgetTombstone: (topicId: string) => Promise<void>

  constructor(hosting: Hosting, self: ReplicaName, forgetTombstone: (topicId: string) => Promise<void>) {
    this.#hosting = hosting
    this.#self = self
    this.#forgetTombstone = forgetTombstone
  }

  place(topicId: string, from: number, to: number): PartitionDocument[] {
    const me = this.#self
    return Array.from({ length: to - from }, (_, at) => ({
      topicId,
      partition: from + at,
      epoch: 0,
      leader: me,
      replicas: [me],
      inSync: [me],
    }))
  }

  created(document: TopicDocument, partitions: readonly PartitionDocument[]): Promise<Topic> {
    return this.#hosting.open(document, partitions, [])
  }

  grown(topic: Topic, document: TopicDocument, added: readonly PartitionDocument[]): Promise<void> {
    return this.#hosting.grow(topic, document, added)
  }

  changed(_topic: Topic, document: TopicDocument): Promise<void> {
    return this.#hosting.change(document)
  }

  async deleted(topic: Topic): Promise<void> {
    await this.#hosting.drop(topic)
    await this.#forgetTombstone(topic.id)
  }

  async offsetsOf(topic: Topic, at: Position): Promise<number[]> {
    return topic.partitions.map((partition) =>
      at === 'latest' ? partition.state.nextOffset : findOffset(partition, at),
    )
  }

  async syncGroups(): Promise<void> {}

  async syncGroup(): Promise<void> {}
}
