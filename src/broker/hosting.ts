import type { GroupDocument, PartitionDocument, TopicDocument } from '../coordination/documents.js'
import { PortalError } from '../core/errors.js'
import type { PartitionState } from '../core/partition-state.js'
import type { CallSignal } from '../runtime/call-signal.js'
import { sleepUntil } from '../runtime/wait.js'
import { Bell } from './bell.js'
import { groupMoved } from './consume-service.js'
import { type AppendElsewhere, DeadLetterMovers } from './dead-letter-movers.js'
import { dedupeChange, groupEnd, groupStart, writeFirstEntries } from './first-entries.js'
import type { PartitionHost } from './host.js'
import type { BrokerIdentity } from './identity.js'
import { partitionMissing } from './missing.js'
import { Partition } from './partition.js'
import { recover } from './recovery.js'
import { Topic } from './topic.js'

/** The topics and partitions that a broker hosts: opening them, finding them, making and ending them. */
export class Hosting {
  readonly #host: PartitionHost
  readonly #identity: BrokerIdentity
  readonly #byId = new Map<string, Topic>()
  readonly #byName = new Map<string, Topic>()
  /** Rings when a topic has come, changed or gone, or a partition is led here. */
  readonly #topicChange = new Bell()
  readonly #movers: DeadLetterMovers
  /** Called with what comes into force here of a topic's group; undefined: it has ended. */
  onGroup: (topicId: string, name: string, document: GroupDocument | undefined) => void = () => {}
  readonly #isAlone: () => boolean

  constructor(
    host: PartitionHost,
    identity: BrokerIdentity,
    ensureDeadLetter: (name: string, of: Topic) => Promise<Topic>,
    appendElsewhere: AppendElsewhere,
    isAlone: () => boolean,
  ) {
    this.#host = host
    this.#isAlone = isAlone
    this.#identity = identity
    this.#movers = new DeadLetterMovers(host, {
      find: (name) => this.#byName.get(name),
      ensure: ensureDeadLetter,
      appendElsewhere,
    })
  }

  get topics(): readonly Topic[] {
    return [...this.#byName.values()]
  }

  findById(topicId: string): Topic {
    const topic = this.#byId.get(topicId)
    if (topic) return topic
    throw new PortalError(
      'TOPIC_NOT_FOUND',
      `There is no topic with id ${topicId} here: it was deleted. Look its name up again.`,
    )
  }

  topicById(topicId: string): Topic | undefined {
    return this.#byId.get(topicId)
  }

  nameOf(topicId: string): string | undefined {
    return this.#byId.get(topicId)?.name
  }

  findByName(name: string): Topic | undefined {
    return this.#byName.get(name)
  }

  partition(topicId: string, partition: number): Partition {
    const topic = this.findById(topicId)
    const found = topic.partition(partition)
    if (found) return found
    const count = topic.document.partitions
    // In a cluster there may be more by now: callers are told of them as this broker is, and may be sooner.
    if (Number.isInteger(partition) && partition >= 0 && (partition < count || !this.#isAlone())) {
      throw new PortalError(
        'NOT_LEADER',
        `Partition ${partition} of topic ${topic.name} is not led by broker ${this.#host.brokerId} now: look the topic up again.`,
      )
    }
    throw partitionMissing(topic.name, count, partition)
  }

  /** Calls back once, when a topic has come, changed or gone. Returns what forgets it. */
  onceTopic(callback: () => void): () => void {
    return this.#topicChange.once(callback)
  }

  /** Sleeps until `test` holds, at most so many milliseconds: it is asked when a topic has come, changed or gone, or a partition is led here. */
  async until(test: () => boolean, timeout: number, signal?: CallSignal | undefined): Promise<void> {
    const { timers } = this.#host.runtime
    await sleepUntil<true>(timers, 'Waiting for a topic', { timeout, signal }, (resolve) => {
      let forget = () => {}
      const look = () => {
        if (test()) resolve(true)
        else forget = this.onceTopic(look)
      }
      look()
      return () => forget()
    })
  }

  /** From now on the dying are moved: every topic is open, their dead-letter topics among them. */
  allOpen(): void {
    this.#movers.begin()
  }

  /** Leads the partitions of a topic that exists in the metadata, under the epochs of these documents, and shows it. */
  async open(
    document: TopicDocument,
    partitions: readonly PartitionDocument[],
    groups: readonly GroupDocument[],
  ): Promise<Topic> {
    const topic = this.#make(document)
    await Promise.all(partitions.map(({ partition, epoch }) => this.#openPartition(topic, partition, epoch)))
    for (const group of groups) topic.setGroup(group, groupMoved(document.name, group.name))
    await this.#takeOver(topic, topic.partitions)
    for (const { epoch, partition } of topic.partitions)
      this.#host.emit('leader', { topic: topic.name, partition, epoch })
    this.#show(topic)
    return topic
  }

  /** Shows a topic of the cluster, or what has changed in its document; whoever leads a partition of it says so later. */
  show(document: TopicDocument): Topic {
    const topic = this.#byId.get(document.id) ?? this.#make(document)
    topic.document = document
    this.#show(topic)
    return topic
  }

  /** Takes a topic's changed document into force in the partitions that are led here: where nothing can be appended now, once something can. */
  async change(document: TopicDocument): Promise<void> {
    const topic = this.#byId.get(document.id)
    if (!topic) return
    topic.document = document
    await Promise.all(
      topic.partitions.map((partition) =>
        partition.propose((state) => dedupeChange(topic, state), { essential: true }),
      ),
    )
  }

  /** Leads one partition of a topic that is shown. It is found here once its first entry is committed, unless it was closed before. */
  async lead(topic: Topic, partition: Partition, groups: readonly GroupDocument[]): Promise<void> {
    for (const group of groups) {
      const known = topic.groups.get(group.name)
      if (known && known.generation > group.generation) continue
      topic.setGroup(group, groupMoved(topic.name, group.name))
    }
    await this.#takeOver(topic, [partition])
    if (partition.closed) throw partition.closed
    topic.addPartition(partition)
    partition.found()
    this.#topicChange.ring()
    // What was changed meanwhile, and groups that came.
    void this.change(topic.document).catch(() => {
      // Led no more: its next leader does it.
    })
    await Promise.all(
      [...topic.groups.values()].map((group) =>
        partition.propose((state) => groupStart(group, state, partition.partition)),
      ),
    )
    for (const dispatcher of topic.dispatchers.values()) dispatcher.wake()
    this.#host.emit('leader', { topic: topic.name, partition: partition.partition, epoch: partition.epoch })
  }

  /** Shows a topic no more: it was deleted. What is stored of it stays. */
  hide(topic: Topic): void {
    this.#byId.delete(topic.id)
    if (this.#byName.get(topic.name) === topic) this.#byName.delete(topic.name)
    topic.close(new PortalError('TOPIC_NOT_FOUND', `Topic ${topic.name} was deleted.`))
    this.#topicChange.ring()
  }

  /** Adds partitions to an open topic. */
  async grow(topic: Topic, document: TopicDocument, partitions: readonly PartitionDocument[]): Promise<void> {
    const first = topic.partitions.length
    for (const { partition, epoch } of partitions) {
      if (partition >= first) await this.#openPartition(topic, partition, epoch)
    }
    topic.document = document
    await this.#takeOver(topic, topic.partitions.slice(first))
  }

  /** Stops showing a topic and removes what is stored of it. */
  async drop(topic: Topic): Promise<void> {
    this.hide(topic)
    await this.#host.committer.drained()
    const writes = topic.partitions.map(({ log }) => ({ type: 'delete-log', log }) as const)
    await this.#host.storage.commit(writes, { durable: true })
  }

  /** Makes a group known to every partition of its topic; a new generation begins where `start` says. */
  async startGroup(topic: Topic, document: GroupDocument): Promise<void> {
    await Promise.all(
      topic.partitions.map((partition) =>
        partition.propose((state) => groupStart(document, state, partition.partition)),
      ),
    )
    topic.setGroup(document, groupMoved(topic.name, document.name))
  }

  /** Ends a group in every partition that is led here. Rejects if that is put off where nothing can be appended now. */
  async endGroup(topic: Topic, group: string): Promise<void> {
    topic.removeGroup(group, groupMoved(topic.name, group))
    await Promise.all(topic.partitions.map((partition) => endIn(partition, topic, group)))
  }

  closeAll(error: PortalError): void {
    for (const topic of this.#byId.values()) topic.close(error)
  }

  async #openPartition(topic: Topic, partition: number, epoch: number): Promise<void> {
    const log = logName(topic.id, partition)
    const recovered = await recover(this.#host.storage, log, this.#host.runtime.crc32)
    const opened = new Partition(this.#host, topic, partition, log, epoch, recovered)
    topic.partitions[partition] = opened
    opened.found()
  }

  #make(document: TopicDocument): Topic {
    const topic = new Topic(document)
    topic.onGroup = (name, group) => this.onGroup(topic.id, name, group)
    return topic
  }

  #show(topic: Topic): void {
    this.#byId.set(topic.id, topic)
    this.#byName.set(topic.name, topic)
    this.#topicChange.ring()
  }

  async #takeOver(topic: Topic, opened: readonly Partition[]): Promise<void> {
    await writeFirstEntries(topic, opened, this.#identity.brokerId)
    for (const partition of opened) this.#movers.add(topic, partition)
  }
}

export function logName(topicId: string, partition: number): string {
  return `${topicId}/${partition}`
}

/** Nobody asks for it again: what is refused now is done once something can be appended, unless there is such a group again. */
async function endIn(partition: Partition, topic: Topic, group: string): Promise<void> {
  const end = (state: PartitionState) => groupEnd(topic, group, state)
  try {
    await partition.propose(end)
  } catch (error) {
    // Led no more: its next leader does it.
    partition.propose(end, { essential: true }).catch(() => {})
    throw error
  }
}
