import type { MemberDocument } from '../../coordination/documents.js'
import type { BrokerAddress, TopicRoute } from '../../protocol/service.js'
import type { ClusterRoutes, Placement } from '../../routing/routes.js'
import type { Hosting } from '../hosting.js'
import type { Topic } from '../topic.js'
import type { Catalog } from './catalog.js'

/** Who leads what, as this broker has been told. */
export class BrokerRoutes implements ClusterRoutes {
  readonly #catalog: Catalog
  readonly #members: () => ReadonlyMap<string, MemberDocument>
  readonly #hosting: Hosting
  readonly #listeners = new Set<(topicId: string | undefined) => void>()
  /** By topic id; made anew after changes. */
  readonly #known = new Map<string, TopicRoute>()
  #addresses: readonly BrokerAddress[] | undefined

  constructor(catalog: Catalog, members: () => ReadonlyMap<string, MemberDocument>, hosting: Hosting) {
    this.#catalog = catalog
    this.#members = members
    this.#hosting = hosting
  }

  find(topicId: string): TopicRoute | undefined {
    const known = this.#known.get(topicId)
    if (known) return known
    const topic = this.#hosting.topicById(topicId)
    if (!topic) return undefined
    const route = this.#route(topic)
    this.#known.set(topicId, route)
    return route
  }

  findByName(name: string): TopicRoute | undefined {
    const topic = this.#hosting.findByName(name)
    return topic && this.find(topic.id)
  }

  brokers(): readonly BrokerAddress[] {
    this.#addresses ??= [...this.#members().values()]
      .map(({ broker, url }) => ({ id: broker, url }))
      .sort((a, b) => (a.id < b.id ? -1 : 1))
    return this.#addresses
  }

  placement(topicId: string, partition: number): Placement | undefined {
    const document = this.#catalog.partition(topicId, partition)
    if (!document) return undefined
    const idsOf = (replicas: readonly { readonly broker: string }[]) => replicas.map(({ broker }) => broker)
    return { epoch: document.epoch, replicas: idsOf(document.replicas), inSync: idsOf(document.inSync) }
  }

  /** This broker is told of all changes. */
  doubt(): void {}

  onChange(listener: (topicId: string | undefined) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The route of a topic has changed; undefined: those of all may have. */
  changed(topicId: string | undefined): void {
    if (topicId === undefined) {
      this.#known.clear()
      this.#addresses = undefined
    } else this.#known.delete(topicId)
    for (const listener of [...this.#listeners]) listener(topicId)
  }

  #route(topic: Topic): TopicRoute {
    const { id: topicId, name, maxMessageBytes } = topic
    const { partitions } = topic.document
    const members = this.#members()
    const leaders = Array.from({ length: partitions }, (_, partition) => {
      const document = this.#catalog.partition(topicId, partition)
      const leader = document?.leader
      const member = leader && members.get(leader.broker)
      const isLed = member && member.storage === leader.storage && member.generation === document?.incarnation
      return isLed ? leader.broker : null
    })
    return { topicId, name, partitions, maxMessageBytes, leaders, brokers: this.brokers() }
  }
}
