import type { PartitionDocument, TopicDocument } from '../../coordination/documents.js'
import { PortalError } from '../../core/errors.js'
import type { MembersView } from '../../core/placement/members-view.js'
import { placeReplicas } from '../../core/placement/place-replicas.js'
import { Workload } from '../../core/placement/workload.js'
import type { BrokerService, Position } from '../../protocol/service.js'
import type { TopicConfig } from '../../protocol/topics.js'
import type { Runtime } from '../../runtime/runtime.js'
import { sleepUntil } from '../../runtime/wait.js'
import type { Estate } from '../estate.js'
import type { Hosting } from '../hosting.js'
import type { Topic } from '../topic.js'
import type { Catalog } from './catalog.js'
import type { GroupWatches } from './group-watches.js'

/** Replicas that a topic may have at most. */
const MAX_REPLICAS = 15
/** How long the controller may take to bring a change into force (ms). */
const FORCE = 30_000

export interface ClusterEstateParts {
  readonly runtime: Runtime
  readonly hosting: Hosting
  readonly cluster: { readonly replicas: number; readonly minInSync?: number | undefined }
  readonly catalog: Catalog
  readonly groups: GroupWatches
  view(): MembersView
  /** Of the whole cluster. */
  service(): BrokerService
  readonly ending: AbortSignal
}

/** In a cluster, whoever is asked writes the metadata, and the controller tells everybody, this broker too. */
export class ClusterEstate implements Estate {
  readonly defaults: { readonly replicas: number; readonly minInSync?: number | undefined }
  readonly maxReplicas = MAX_REPLICAS
  readonly #parts: ClusterEstateParts

  constructor(parts: ClusterEstateParts) {
    this.#parts = parts
    this.defaults = parts.cluster
  }

  place(
    topicId: string,
    from: number,
    to: number,
    { replicas, minInSync }: Pick<TopicConfig, 'replicas' | 'minInSync'>,
  ): PartitionDocument[] {
    const { hosting, catalog, view } = this.#parts
    const present = hosting.topics.flatMap(({ id, document }) =>
      Array.from({ length: document.partitions }, (_, at) => catalog.partition(id, at) ?? []).flat(),
    )
    const load = Workload.of(present)
    return placeReplicas({ topicId, from, count: to - from, replicas, minInSync, view: view(), load })
  }

  async created(document: TopicDocument): Promise<Topic> {
    const { hosting } = this.#parts
    await this.#until(`topic ${document.name} to be shown`, (again) => {
      return hosting.topicById(document.id) !== undefined || hosting.onceTopic(again)
    })
    return hosting.findById(document.id)
  }

  async grown(topic: Topic, document: TopicDocument): Promise<void> {
    await this.#untilShown(topic, ({ partitions }) => partitions >= document.partitions)
  }

  async changed(topic: Topic, document: TopicDocument): Promise<void> {
    const wanted = JSON.stringify(document.config)
    await this.#untilShown(topic, ({ config }) => JSON.stringify(config) === wanted)
  }

  async deleted(topic: Topic): Promise<void> {
    const { hosting } = this.#parts
    await this.#until(`topic ${topic.name} to go`, (again) => {
      return hosting.topicById(topic.id) !== topic || hosting.onceTopic(again)
    })
  }

  async offsetsOf(topic: Topic, at: Position): Promise<number[]> {
    const numbers = Array.from({ length: topic.document.partitions }, (_, partition) => partition)
    const service = this.#parts.service()
    const found = await Promise.all(
      numbers.map((partition) => service.findOffset({ topicId: topic.id, partition, at })),
    )
    return found.map(({ offset }) => offset)
  }

  syncGroups(topic: Topic): Promise<void> {
    return this.#parts.groups.sync(topic)
  }

  syncGroup(topic: Topic, group: string): Promise<void> {
    return this.#parts.groups.syncOne(topic, group)
  }

  async #untilShown(topic: Topic, test: (document: TopicDocument) => boolean): Promise<void> {
    const { hosting } = this.#parts
    await this.#until(`the change of topic ${topic.name} to be shown`, (again) => {
      return test(topic.document) || hosting.topicById(topic.id) !== topic || hosting.onceTopic(again)
    })
  }

  /** `check` returns true, or what forgets that it asked to be called again. */
  async #until(what: string, check: (again: () => void) => boolean | (() => void)): Promise<void> {
    const { runtime, ending } = this.#parts
    const ends = { timeout: FORCE, signal: ending }
    const stops = () => new PortalError('DISCONNECTED', `The broker stops while it waits for ${what}.`)
    const done = await sleepUntil<true>(runtime.timers, `Waiting for ${what}`, ends, (resolve) => {
      let forget = () => {}
      const look = () => {
        const result = check(look)
        if (result === true) resolve(true)
        else if (typeof result === 'function') forget = result
      }
      look()
      return () => forget()
    }).catch((error: unknown) => {
      // Whoever has asked can ask another broker.
      throw ending.aborted ? stops() : error
    })
    if (done) return
    throw new PortalError(
      'TIMEOUT',
      `It was written, but waiting for ${what} took more than ${FORCE / 1_000} seconds: the cluster has no controller now, or it cannot reach this broker. It comes into force when there is one.`,
    )
  }
}
