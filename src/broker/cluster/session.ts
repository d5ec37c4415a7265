import { joinCluster } from '../../coordination/cluster-identity.js'
import { checkVersions, type Versions } from '../../coordination/cluster-versions.js'
import type { CoordinationStore } from '../../coordination/coordination.js'
import { DocumentFolder } from '../../coordination/document-folder.js'
import { DocumentStore } from '../../coordination/document-store.js'
import {
  type BrokerDocument,
  brokerKind,
  type ClusterDocument,
  type MemberDocument,
  paths,
} from '../../coordination/documents.js'
import { LockService } from '../../coordination/lock.js'
import { type DiskState, Membership } from '../../coordination/membership.js'
import { Metadata } from '../../coordination/metadata.js'
import { ENTRY_VERSION } from '../../core/entry.js'
import type { MembersView } from '../../core/placement/members-view.js'
import type { PeerService } from '../../protocol/peer-service.js'
import { PEER_VERSION } from '../../protocol/wire/peer-message.js'
import { onAbort } from '../../runtime/on-abort.js'
import type { Runtime } from '../../runtime/runtime.js'
import type { BrokerIdentity } from '../identity.js'
import { Controller } from './controller.js'
import type { ControllerSettings } from './controller-settings.js'
import { VersionAgreement } from './version-agreement.js'

export interface ClusterSessionParts {
  readonly store: CoordinationStore
  readonly runtime: Runtime
  readonly identity: BrokerIdentity
  readonly life: string
  readonly url: string
  readonly rack: string | undefined
  readonly disk: DiskState
  /** What it reads. @default what this build does */
  readonly versions?: Versions | undefined
  readonly settings: Partial<ControllerSettings> | undefined
  readonly signal: AbortSignal
  /** The cluster's id is known. */
  adopt(clusterId: string): Promise<void>
  connectPeer(url: string): PeerService
  onMembers(brokers: readonly string[]): void
  /** What the cluster may say and write from now on. */
  onVersions(versions: Versions): void
  readonly onError: (error: unknown) => void
}

/** All that a broker has while one session with the coordination service lives: its membership, its candidature, metadata and locks. */
export class ClusterSession {
  readonly metadata: Metadata
  readonly locks: LockService
  readonly documents: DocumentStore
  readonly membership: Membership
  readonly controller: Controller
  readonly versions: VersionAgreement
  readonly store: CoordinationStore
  readonly #runtime: Runtime
  readonly #brokers: DocumentFolder<BrokerDocument>
  #members: ReadonlyMap<string, MemberDocument>

  private constructor(
    parts: ClusterSessionParts,
    documents: DocumentStore,
    membership: Membership,
    brokers: DocumentFolder<BrokerDocument>,
    cluster: ClusterDocument,
  ) {
    const { store, runtime, identity } = parts
    const { brokerId, storageId, generation } = identity
    this.store = store
    this.#runtime = runtime
    this.documents = documents
    this.membership = membership
    this.#brokers = brokers
    this.#members = membership.members
    membership.onChange((names) => {
      this.#members = membership.members
      parts.onMembers(names)
      this.versions.look()
    })
    this.versions = new VersionAgreement(
      {
        documents,
        brokers: () => [...brokers.known.values()].map(({ document }) => document),
        members: () => this.#members,
        agreed: (versions) => parts.onVersions(versions),
        onError: parts.onError,
      },
      cluster,
    )
    this.metadata = new Metadata(store, { writer: brokerId, random: runtime.random })
    this.locks = new LockService(store, runtime)
    this.controller = new Controller({
      store,
      runtime,
      cluster: cluster.clusterId,
      self: { broker: brokerId, storage: storageId, generation },
      settings: parts.settings,
      connectPeer: (url) => parts.connectPeer(url),
      onError: parts.onError,
    })
  }

  static async open(parts: ClusterSessionParts): Promise<ClusterSession> {
    const { store, runtime, identity, life, url, rack, disk, signal } = parts
    const versions = parts.versions ?? { peer: PEER_VERSION, entry: ENTRY_VERSION }
    const { timers, random, clock } = runtime
    const { brokerId: broker, storageId: storage, generation } = identity
    const documents = new DocumentStore(store, { writer: broker, random })
    const known = identity.inCluster ? identity.clusterId : undefined
    const cluster = await joinCluster({ documents, random, now: clock.now() }, known)
    checkVersions(cluster, versions)
    await parts.adopt(cluster.clusterId)
    let session: ClusterSession | undefined
    const shared = { store, documents, timers, random, onError: parts.onError }
    const brokers = new DocumentFolder({
      ...shared,
      kind: brokerKind,
      path: paths.brokers,
      onChange: () => session?.versions.look(),
    })
    const member: MemberDocument = {
      broker,
      storage,
      generation,
      url,
      rack,
      versions,
      ...disk,
      startedAt: Math.floor(clock.now()),
    }
    const membership = await Membership.join(shared, member, { life, lives: identity.lives, signal })
    await brokers.open()
    session = new ClusterSession(parts, documents, membership, brokers, cluster)
    session.versions.look()
    return session
  }

  get members(): ReadonlyMap<string, MemberDocument> {
    return this.#members
  }

  /** Who lives, as placement looks at them. */
  view(): MembersView {
    return new Map(
      [...this.#members].map(([broker, member]) => [
        broker,
        { ...member, drained: this.#brokers.known.get(broker)?.document.drained },
      ]),
    )
  }

  /** Every broker that ever was and is not forgotten. */
  get registered(): readonly BrokerDocument[] {
    return [...this.#brokers.known.values()].map(({ document }) => document)
  }

  get isLost(): boolean {
    return this.store.session.lost.aborted
  }

  /** Whether it certainly lives now, by the monotonic clock. */
  holds(): boolean {
    return !this.isLost && this.#runtime.clock.monotonic() < this.store.session.leaseUntil()
  }

  /** Resolves when it is lost. */
  async lost(): Promise<void> {
    await new Promise<void>((resolve) => onAbort(this.store.session.lost, resolve))
  }

  /** `stopped`: the generation and the life of a clean stop, to be recorded. */
  async close(stopped: Parameters<Membership['recordStop']>[0] | undefined): Promise<void> {
    this.#brokers.close()
    await Promise.all([this.controller.close().catch(() => {}), this.locks.close().catch(() => {})])
    if (stopped !== undefined && !this.isLost) await this.membership.recordStop(stopped).catch(() => {})
    await this.membership.close().catch(() => {})
    await this.store.close().catch(() => {})
  }
}
