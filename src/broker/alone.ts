import type { CoordinationStore } from '../coordination/coordination.js'
import type { ReplicaName } from '../coordination/documents.js'
import { LockService } from '../coordination/lock.js'
import { Metadata } from '../coordination/metadata.js'
import { PortalError } from '../core/errors.js'
import type { ClusterDescription, PartitionPlacement } from '../protocol/cluster.js'
import type { MetricFamily } from '../protocol/metrics.js'
import type { CommandResponse } from '../protocol/peer-service.js'
import type { BrokerService } from '../protocol/service.js'
import type { Runtime } from '../runtime/runtime.js'
import type { Storage } from '../storage/storage.js'
import { AloneEstate } from './estate.js'
import type { Hosting } from './hosting.js'
import { type BrokerIdentity, stopIdentity } from './identity.js'
import { notLedHere } from './missing.js'
import { loadOwnTopics } from './own-topics.js'
import type { Standing } from './standing.js'

export interface AloneParts {
  readonly identity: BrokerIdentity
  readonly coordination: CoordinationStore
  readonly storage: Storage
  readonly runtime: Runtime
  readonly hosting: Hosting
}

/** A broker that is alone: it leads every partition, in a new epoch each time it opens. */
export class Alone implements Standing {
  readonly isAlone = true
  readonly peers = undefined
  readonly leaderOf = undefined
  readonly clusterId: string
  readonly metadata: Metadata
  readonly locks: LockService
  readonly estate: AloneEstate
  readonly #parts: AloneParts
  readonly #self: ReplicaName

  constructor(parts: AloneParts) {
    const { identity, coordination, runtime, hosting } = parts
    this.#parts = parts
    this.clusterId = identity.clusterId
    this.metadata = new Metadata(coordination, { writer: identity.brokerId, random: runtime.random })
    this.locks = new LockService(coordination, runtime)
    this.#self = { broker: identity.brokerId, storage: identity.storageId }
    this.estate = new AloneEstate(hosting, this.#self, (topicId) => this.metadata.forgetTombstone(topicId))
  }

  route(own: BrokerService): BrokerService {
    return own
  }

  appendElsewhere(topicId: string, partition: number): Promise<void> {
    return Promise.reject(notLedHere(topicId, partition))
  }

  /** Nobody else has it. */
  damaged(_log: string, error: PortalError): PortalError {
    return error
  }

  /** Nobody else can lead it. */
  measured(): void {}

  describe(): Partial<ClusterDescription> {
    return {}
  }

  describePlacement(name: string | undefined): readonly PartitionPlacement[] {
    const leader = this.#self.broker
    return this.#parts.hosting.topics
      .filter((topic) => name === undefined || topic.name === name)
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .flatMap((topic) =>
        topic.partitions.map(({ partition, epoch }) => ({
          topic: topic.name,
          partition,
          leader,
          epoch,
          replicas: [leader],
          inSync: [leader],
          minInSync: 1,
        })),
      )
  }

  command(): Promise<CommandResponse> {
    return Promise.reject(
      new PortalError(
        'UNSUPPORTED',
        'This broker is alone: there is no cluster to change. Brokers become one with `createBroker({ coordination })` or `portal-mq serve --zookeeper`.',
      ),
    )
  }

  metrics(): readonly MetricFamily[] {
    return []
  }

  async open(): Promise<void> {
    const { runtime, hosting, storage } = this.#parts
    const { metadata } = this
    await this.locks.removeUnused()
    const loaded = await loadOwnTopics({ metadata, storage, now: runtime.clock.now() })
    const led = await metadata.takeLeadership(
      loaded.flatMap(({ partitions }) => partitions),
      this.#self,
    )
    const epochs = new Map(led.map((document) => [`${document.topicId}/${document.partition}`, document]))
    await Promise.all(
      loaded.map(({ topic, partitions, groups }) =>
        hosting.open(
          topic,
          partitions.map((document) => epochs.get(`${document.topicId}/${document.partition}`)!),
          groups,
        ),
      ),
    )
    hosting.allOpen()
  }

  async join(): Promise<void> {}

  async leave(): Promise<void> {}

  async close(error: PortalError | undefined): Promise<void> {
    const { coordination, storage, identity } = this.#parts
    await this.locks.close().catch(() => {})
    await coordination.close()
    if (error === undefined) await stopIdentity(storage, identity)
  }
}
