import { Controller } from '../../src/broker/cluster/controller.js'
import type { ControllerSettings } from '../../src/broker/cluster/controller-settings.js'
import type { CoordinationStore } from '../../src/coordination/coordination.js'
import { decodeDocument, encodeDocument } from '../../src/coordination/document-codec.js'
import { DocumentStore } from '../../src/coordination/document-store.js'
import {
  type MemberDocument,
  type PartitionDocument,
  partitionKind,
  paths,
  type TopicDocument,
} from '../../src/coordination/documents.js'
import { Membership } from '../../src/coordination/membership.js'
import { Metadata } from '../../src/coordination/metadata.js'
import type { CoordinationTree } from '../../src/coordination/tree.js'
import { PortalError } from '../../src/core/errors.js'
import type { ClusterMember } from '../../src/core/placement/members-view.js'
import { placeReplicas } from '../../src/core/placement/place-replicas.js'
import { Workload } from '../../src/core/placement/workload.js'
import type {
  ClusterCommand,
  CommandResponse,
  HandOverRequest,
  PeerService,
  UpdateRequest,
} from '../../src/protocol/peer-service.js'
import type { CallSignal } from '../../src/runtime/call-signal.js'
import type { Random } from '../../src/runtime/runtime.js'
import { type VirtualRuntime, virtualRuntime } from '../../src/runtime/virtual.js'
import { disconnected, openTree } from './coordination-support.js'

/** Brokers that have controllers and no data: what they are told they keep, and what they are asked they do at once. */
export class FakeCluster {
  readonly runtime: VirtualRuntime
  readonly tree: CoordinationTree
  readonly brokers = new Map<string, FakeBroker>()
  readonly errors: unknown[] = []
  /** Paths written by controllers, in order: those of failed compare-and-sets too. */
  readonly writes: string[] = []
  /** Every version of every partition's document, however it came to be: by path, in the order of the versions. */
  readonly history = new Map<string, PartitionDocument[]>()
  readonly settings: Partial<ControllerSettings>
  /** Wraps the store that a broker's controller gets. */
  wrap: (store: CoordinationStore) => CoordinationStore = (store) => store

  private constructor(tree: CoordinationTree, settings: Partial<ControllerSettings>, seed: number) {
    this.tree = tree
    this.settings = settings
    this.runtime = virtualRuntime({ seed })
  }

  static async open(
    brokers: readonly string[] = [],
    settings: Partial<ControllerSettings> = {},
    seed = 1,
  ): Promise<FakeCluster> {
    const cluster = new FakeCluster(await openTree(), settings, seed)
    for (const broker of brokers) await cluster.start(broker)
    return cluster
  }

  async start(id: string, options: { storage?: string; rack?: string } = {}): Promise<FakeBroker> {
    const before = this.brokers.get(id)
    const storage = options.storage ?? before?.member.storage ?? `s-${id}`
    const generation = (before?.member.storage === storage ? before.member.generation : 0) + 1
    const member: MemberDocument = {
      broker: id,
      storage,
      generation,
      url: `http://${id}`,
      rack: options.rack ?? before?.member.rack,
      versions: { peer: 1, entry: 1 },
      startedAt: 5,
    }
    const broker = new FakeBroker(this, member)
    this.brokers.set(id, broker)
    await broker.join()
    return broker
  }

  /** Lets time pass in small steps until the condition holds. */
  async until(condition: () => boolean | Promise<boolean>, limit = 30_000): Promise<void> {
    const end = this.runtime.clock.monotonic() + limit
    while (!(await condition())) {
      if (this.runtime.clock.monotonic() > end)
        throw new Error(`Not reached within ${limit} ms of virtual time.`)
      await this.runtime.advance(20)
    }
  }

  async pass(milliseconds: number): Promise<void> {
    for (let passed = 0; passed < milliseconds; passed += 20) await this.runtime.advance(20)
  }

  /** Waits for a call, letting time pass. */
  async result<T>(promise: Promise<T>): Promise<T> {
    let over = false
    promise.then(
      () => (over = true),
      () => (over = true),
    )
    await this.until(() => over)
    return promise
  }

  controller(): FakeBroker {
    const inOffice = [...this.brokers.values()].filter(({ controller }) => controller?.term !== undefined)
    if (inOffice.length !== 1) throw new Error(`${inOffice.length} controllers`)
    return inOffice[0]!
  }

  async command(command: ClusterCommand): Promise<CommandResponse> {
    return this.result(this.controller().controller!.command(command))
  }

  metadata(): Metadata {
    return new Metadata(this.tree.connect(), { writer: 'test', random: this.runtime.random })
  }

  view(): Map<string, ClusterMember> {
    return new Map([...this.brokers.values()].filter(({ up }) => up).map(({ id, member }) => [id, member]))
  }

  async createTopic(name: string, options: NewTopic = {}): Promise<TopicDocument> {
    const { partitions = 1, replicas = 3, minInSync = 2, id = `id-${name}` } = options
    const config = {
      replicas: options.wanted ?? replicas,
      minInSync,
      retention: { after: 1 },
      maxMessageBytes: 1_000,
      dedupe: { window: 1, ids: 1 },
    }
    const topic: TopicDocument = { id, name, createdAt: 5, config, partitions }
    const load = new Workload()
    const placed = placeReplicas({
      topicId: id,
      from: 0,
      count: partitions,
      replicas,
      minInSync: Math.min(minInSync, replicas),
      view: this.view(),
      load,
    })
    await this.metadata().createTopic(topic, placed)
    for (const document of placed) this.history.set(paths.partition(id, document.partition), [document])
    return topic
  }

  async partitions(topic: TopicDocument) {
    return this.metadata().readPartitions(topic)
  }

  /** Changes a document as its leader would, and reports it. */
  async change(
    topicId: string,
    partition: number,
    change: (document: PartitionDocument) => PartitionDocument | undefined,
    reported: Reported = 'at once',
  ): Promise<void> {
    const written = await this.metadata().casPartition(topicId, partition, change)
    if (written === undefined) return
    const { version, ...document } = written
    this.note(paths.partition(topicId, partition), version, document)
    if (reported === 'never') return
    if (reported === 'late')
      await new Promise<void>((resolve) => void this.runtime.timers.setTimeout(resolve, 500))
    const text = new TextDecoder().decode(encodeDocument(document, { writer: 'leader', nonce: '' }))
    const report = [{ path: paths.partition(topicId, partition), version, text }]
    for (const { controller } of this.brokers.values()) {
      if (controller?.term !== undefined) controller.report(report)
    }
  }

  note(path: string, version: number, document: PartitionDocument): void {
    const versions = this.history.get(path)
    if (versions) versions[version] = document
  }

  counted(store: CoordinationStore): CoordinationStore {
    const noted = <T>(path: string, write: () => Promise<T>): Promise<T> => {
      this.writes.push(path)
      return write()
    }
    return {
      session: store.session,
      create: (path, ...rest) => noted(path, () => store.create(path, ...rest)),
      compareAndSet: (path, ...rest) => noted(path, () => store.compareAndSet(path, ...rest)),
      delete: (path, ...rest) => noted(path, () => store.delete(path, ...rest)),
      read: (path) => store.read(path),
      children: (path) => store.children(path),
      watch: (path, listener) => store.watch(path, listener),
      close: () => store.close(),
    }
  }
}

/** Whether and when the controller hears of a change from the leader. */
export type Reported = 'at once' | 'late' | 'never'

export interface NewTopic {
  readonly partitions?: number
  /** With how many it is made. */
  readonly replicas?: number
  /** How many it shall have. */
  readonly wanted?: number
  readonly minInSync?: number
  readonly id?: string
}

export class FakeBroker {
  readonly id: string
  readonly member: MemberDocument
  readonly #cluster: FakeCluster
  up = true
  controller: Controller | undefined
  store: CoordinationStore
  membership: Membership | undefined
  /** What it was told, by path; null: that it is gone. */
  readonly known = new Map<string, { version: number; text: string | null }>()
  readonly updates: UpdateRequest[] = []
  readonly handOvers: HandOverRequest[] = []
  /** Topic ids that it still has data of. */
  readonly holds = new Set<string>()
  /** What its controller's compare-and-sets wait for before they are sent. */
  hold: Promise<void> | undefined
  /** Called before each update; may throw. */
  onUpdate: (request: UpdateRequest, signal: CallSignal | undefined) => Promise<void> | void = () => {}
  onHandOver: (request: HandOverRequest) => Promise<void> | void = () => {}
  #seen = { term: 0, sequence: 0 }

  constructor(cluster: FakeCluster, member: MemberDocument) {
    this.#cluster = cluster
    this.id = member.broker
    this.member = member
    this.store = cluster.tree.connect()
  }

  async join(): Promise<void> {
    const { runtime, settings, errors } = this.#cluster
    const { timers, random } = runtime
    const onError = (error: unknown) => void errors.push(error)
    const life = `${this.id}-${this.member.storage}-${this.member.generation}`
    const joining = Membership.join({ store: this.store, timers, random, onError }, this.member, { life })
    this.membership = await this.#cluster.result(joining)
    const { broker, storage, generation } = this.member
    this.controller = new Controller({
      store: this.#cluster.counted(this.#cluster.wrap(this.#held(this.store))),
      runtime,
      cluster: 'c',
      self: { broker, storage, generation },
      settings,
      connectPeer: (url) => this.#cluster.brokers.get(url.slice('http://'.length))?.peer ?? unreachable,
      onError,
    })
  }

  #held(store: CoordinationStore): CoordinationStore {
    return {
      session: store.session,
      create: (...args) => store.create(...args),
      compareAndSet: async (path, data, version) => {
        await this.hold
        const made = await store.compareAndSet(path, data, version)
        if (made !== undefined && path.startsWith('/partitions/')) {
          this.#cluster.note(path, made, decodeDocument(partitionKind, path, data).document)
        }
        return made
      },
      delete: (...args) => store.delete(...args),
      read: (...args) => store.read(...args),
      children: (...args) => store.children(...args),
      watch: (...args) => store.watch(...args),
      close: () => store.close(),
    }
  }

  /** The process is gone; its session has ended. */
  async die(): Promise<void> {
    this.up = false
    await this.#cluster.tree.expire(this.store)
  }

  /** Its session ends, and it begins another: the same process. */
  async reconnect(): Promise<void> {
    await this.#cluster.tree.expire(this.store)
    this.store = this.#cluster.tree.connect()
    await this.join()
  }

  told(path: string): { version: number; text: string | null } | undefined {
    return this.known.get(path)
  }

  toldPartition(topicId: string, partition: number): PartitionDocument | undefined {
    const path = paths.partition(topicId, partition)
    const text = this.known.get(path)?.text
    return text == null
      ? undefined
      : decodeDocument(partitionKind, path, new TextEncoder().encode(text)).document
  }

  toldMembers(): string[] {
    const members = [...this.known].filter(
      ([path, { text }]) => path.startsWith('/members/') && text !== null,
    )
    return members.map(([path]) => path.slice('/members/'.length)).sort()
  }

  /** Looked up at every call: a broker that was started again answers at the same address. */
  get peer(): PeerService {
    const cluster = this.#cluster
    const current = () => {
      const broker = cluster.brokers.get(this.id)
      if (!broker?.up) throw disconnected()
      return broker
    }
    return {
      ...unreachable,
      update: async (request, call) => current().#update(request, call?.signal),
      handOver: async (request) => current().#handOver(request),
      report: async ({ documents }) => current().controller?.report(documents),
      command: async ({ command }) => current().controller!.command(command),
    }
  }

  async #update(request: UpdateRequest, signal: CallSignal | undefined) {
    await this.onUpdate(request, signal)
    const { to, term, sequence } = request
    const mine = to.storage === this.member.storage && to.generation === this.member.generation
    if (!mine || term < this.#seen.term)
      throw new PortalError('NOT_LEADER', 'Another life, or an older term.')
    if (term === this.#seen.term && sequence < this.#seen.sequence) return { removed: [] }
    this.#seen = { term, sequence }
    this.updates.push(request)
    const removed: string[] = []
    for (const { path, version, text } of request.documents) {
      const known = this.known.get(path)
      if (path.startsWith('/partitions/') && known && known.version > version) continue
      this.known.set(path, { version, text: text ?? null })
      const id = path.startsWith('/deleted/') ? path.slice('/deleted/'.length) : undefined
      if (id !== undefined && text !== undefined && !this.holds.has(id)) removed.push(id)
    }
    return { removed }
  }

  async #handOver(request: HandOverRequest): Promise<void> {
    await this.onHandOver(request)
    this.handOvers.push(request)
    const { topicId, partition, to } = request
    await this.#cluster.change(topicId, partition, (document) => {
      if (document.epoch !== request.epoch) throw new PortalError('NOT_LEADER', 'Another epoch.')
      const leader = { broker: to.broker, storage: to.storage }
      return { ...document, leader, incarnation: to.generation }
    })
  }
}

const refuse = () => Promise.reject(disconnected())
const unreachable: PeerService = {
  fetch: refuse,
  readSnapshot: refuse,
  readBatches: refuse,
  update: refuse,
  report: refuse,
  command: refuse,
  handOver: refuse,
  append: refuse,
}

/** A store whose reads fail by chance too. */
export function unreadable(store: CoordinationStore, random: Random, share: number): CoordinationStore {
  const maybe = async <T>(work: () => Promise<T>): Promise<T> => {
    if (random.float() < share) throw disconnected()
    return work()
  }
  return {
    session: store.session,
    create: (...args) => store.create(...args),
    compareAndSet: (...args) => store.compareAndSet(...args),
    delete: (...args) => store.delete(...args),
    read: (...args) => maybe(() => store.read(...args)),
    children: (...args) => maybe(() => store.children(...args)),
    watch: (...args) => store.watch(...args),
    close: () => store.close(),
  }
}

export function documentStore(cluster: FakeCluster): DocumentStore {
  return new DocumentStore(cluster.tree.connect(), { writer: 'test', random: cluster.runtime.random })
}
