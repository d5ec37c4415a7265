import type { TopicDocument } from '../coordination/documents.js'
import type { Metadata } from '../coordination/metadata.js'
import { isPortalError } from '../core/errors.js'
import { checkTopicName } from '../core/names.js'
import type { BrokerService, CallOptions, TopicRoute } from '../protocol/service.js'
import type { TopicConfig, TopicDescription, TopicSummary } from '../protocol/topics.js'
import { type Runtime, randomId } from '../runtime/runtime.js'
import { sleepUntil } from '../runtime/wait.js'
import { describeTopic } from './describe.js'
import type { Estate } from './estate.js'
import type { Hosting } from './hosting.js'
import { topicExists, topicMissing } from './missing.js'
import type { Topic } from './topic.js'
import { checkPartitionCount, patchTopicConfig, resolveTopicConfig } from './topic-config.js'
import type { Turns } from './turns.js'

/** What this part of the service needs of its broker. */
export interface AdminHost {
  readonly brokerId: string
  /** Where others reach this broker, if they can. */
  readonly url: () => string | undefined
  readonly runtime: Runtime
  /** Of the coordination session that lives; DISCONNECTED while there is none. */
  readonly metadata: Metadata
  readonly estate: Estate
  readonly hosting: Hosting
  readonly autoCreateTopics: boolean
}

type Request<M extends keyof BrokerService> = Parameters<BrokerService[M]>[0]

/** Making, changing, describing and ending topics. Changes follow one another. */
export class TopicAdmin {
  readonly #host: AdminHost
  readonly #turns: Turns

  constructor(host: AdminHost, turns: Turns) {
    this.#host = host
    this.#turns = turns
  }

  createTopic({ name, config }: Request<'createTopic'>): Promise<TopicDescription> {
    checkTopicName(name)
    const resolved = resolveTopicConfig(config, this.#host.estate)
    return this.#turns.take(async () => {
      const existing = this.#host.hosting.findByName(name)
      if (existing) throw topicExists(name)
      return this.#describe(await this.#create(name, resolved))
    })
  }

  async listTopics(): Promise<readonly TopicSummary[]> {
    return this.#host.hosting.topics
      .map(({ name, id, document }) => ({ name, id, partitions: document.partitions }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  async findTopic(request: Request<'findTopic'>, call: CallOptions): Promise<TopicRoute> {
    checkTopicName(request.name)
    const { hosting, runtime, autoCreateTopics } = this.#host
    const found = hosting.findByName(request.name)
    if (found) return toRoute(found)
    if (request.create && autoCreateTopics) return toRoute(await this.ensureTopic(request.name))
    const ends = { timeout: request.wait ?? 0, signal: call.signal }
    const topic = await sleepUntil<Topic>(runtime.timers, 'findTopic', ends, (resolve) => {
      let forget = () => {}
      const check = () => {
        const topic = hosting.findByName(request.name)
        if (topic) resolve(topic)
        else forget = hosting.onceTopic(check)
      }
      check()
      return () => forget()
    })
    if (!topic) throw topicMissing(request.name)
    return toRoute(topic)
  }

  /** The topic of this name, made with the defaults if there is none. `of`: it is for that one's dead letters, which are kept as safely. */
  ensureTopic(name: string, of?: Topic): Promise<Topic> {
    return this.#turns.take(async () => this.ensureInTurn(name, of))
  }

  async describeTopic({ name }: Request<'describeTopic'>): Promise<TopicDescription> {
    return this.#describe(this.get(name))
  }

  updateTopic({ name, patch }: Request<'updateTopic'>): Promise<TopicDescription> {
    return this.#turns.take(async () => {
      const topic = this.get(name)
      const changed = await this.#host.metadata.updateTopic(name, (document) => ({
        ...document,
        config: patchTopicConfig(document.config, patch),
      }))
      if (!changed) throw topicMissing(name)
      await this.#host.estate.changed(topic, changed)
      return this.#describe(topic)
    })
  }

  addPartitions({ name, partitions }: Request<'addPartitions'>): Promise<TopicDescription> {
    return this.#turns.take(async () => {
      const topic = this.get(name)
      checkPartitionCount(partitions, topic.document.partitions)
      const { estate } = this.#host
      const { config, partitions: present } = topic.document
      const added = estate.place(topic.id, present, partitions, config)
      const changed = await this.#host.metadata.addPartitions(name, added)
      if (!changed) throw topicMissing(name)
      await estate.grown(topic, changed, added)
      return this.#describe(topic)
    })
  }

  deleteTopic({ name }: Request<'deleteTopic'>): Promise<void> {
    return this.#turns.take(async () => {
      const topic = this.get(name)
      await this.#host.metadata.deleteTopic(name, Math.floor(this.#host.runtime.clock.now()))
      await this.#host.estate.deleted(topic)
    })
  }

  /** Like `ensureTopic`, for callers whose turn it is already. */
  async ensureInTurn(name: string, of?: Topic): Promise<Topic> {
    const { hosting, estate, metadata } = this.#host
    const found = hosting.findByName(name)
    if (found) return found
    try {
      return await this.#create(name, resolveTopicConfig(of ? safetyOf(of) : {}, estate))
    } catch (error) {
      if (!isPortalError(error, 'TOPIC_EXISTS')) throw error
      // Another broker was first: it is shown here soon.
      const document = await metadata.readTopic(name)
      // It was deleted since.
      if (!document) return this.ensureInTurn(name, of)
      return estate.created(document, [])
    }
  }

  /** The topic of this name; TOPIC_NOT_FOUND if there is none. */
  get(name: string): Topic {
    checkTopicName(name)
    const topic = this.#host.hosting.findByName(name)
    if (!topic) throw topicMissing(name)
    return topic
  }

  async #create(name: string, config: TopicConfig): Promise<Topic> {
    const { partitions, ...rest } = config
    const id = randomId(this.#host.runtime.random, 8)
    const document: TopicDocument = {
      id,
      name,
      createdAt: Math.floor(this.#host.runtime.clock.now()),
      config: rest,
      partitions,
    }
    const { estate, metadata } = this.#host
    const partitionDocuments = estate.place(id, 0, partitions, config)
    const created = await metadata.createTopic(document, partitionDocuments)
    if (!created) throw topicExists(name)
    return estate.created(document, partitionDocuments)
  }

  #describe(topic: Topic): TopicDescription {
    return describeTopic(topic, this.#host.brokerId, this.#host.url())
  }
}

function toRoute(topic: Topic): TopicRoute {
  return {
    topicId: topic.id,
    name: topic.name,
    partitions: topic.document.partitions,
    maxMessageBytes: topic.maxMessageBytes,
  }
}

function safetyOf({ document }: Topic): Pick<TopicConfig, 'replicas' | 'minInSync'> {
  const { replicas, minInSync } = document.config
  return { replicas, minInSync }
}
