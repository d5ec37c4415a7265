import type { MemberDocument, ReplicaName } from '../../coordination/documents.js'
import type { VersionedPartition } from '../../coordination/partition-version.js'
import { isPortalError, PortalError } from '../../core/errors.js'
import { includesReplica } from '../../core/placement/placed-partition.js'
import type { Incarnation, PeerService } from '../../protocol/peer-service.js'
import { pause } from '../../runtime/pause.js'
import { logName } from '../hosting.js'
import type { Topic } from '../topic.js'
import { Barrier } from './barrier.js'
import { CopyRoom } from './copy-room.js'
import { FetchServer } from './fetch-server.js'
import type { Follower } from './follower.js'
import { type Distrust, distrustedLogs, forgetLog } from './install.js'
import { LeaderLine } from './leader-line.js'
import type { ServedPartition } from './leader-session.js'
import { notLed } from './led.js'
import { Replica, type ReplicaHost } from './replica.js'
import { Throttle } from './throttle.js'

/** How long to wait before a document that could not be read is asked for again (ms). */
const RETRY = 1_000

export interface ReplicaSetHost
  extends Omit<
    ReplicaHost,
    | 'startFollowing'
    | 'stopFollowing'
    | 'distrustOf'
    | 'distrust'
    | 'isRegistered'
    | 'isCurrent'
    | 'isReplaced'
    | 'isStalled'
    | 'generationOf'
    | 'damaged'
    | 'barrier'
  > {
  cluster(): string
  /** Bytes a second that replicas which are behind fetch at most, at whomever. */
  readonly throttledRate: number
  /** Who lives, by broker id. */
  members(): ReadonlyMap<string, MemberDocument>
  /** A partition's document, no older than this broker's session; undefined: it is gone. */
  readDocument(topicId: string, partition: number): Promise<VersionedPartition | undefined>
  connectPeer(url: string): PeerService
}

interface Followed {
  /** Where its line leads: a leader that came back is another. */
  readonly to: string
  readonly line: LeaderLine
}

/** All replicas that this broker has: what they are, whom they follow, and what it serves to others. */
export class ReplicaSet {
  readonly server: FetchServer
  /** For what followers add to the disk. */
  readonly room: CopyRoom
  readonly #host: ReplicaSetHost
  readonly #replicaHost: ReplicaHost
  readonly #replicas = new Map<string, Replica>()
  readonly #following = new Map<Follower, ReplicaName>()
  /** By leader. */
  readonly #lines = new Map<string, Followed>()
  readonly #throttle: Throttle
  readonly #distrusted: Map<string, Distrust>
  /** Logs that were stored when the broker was started, and that no document has named since. */
  readonly #unclaimed: Set<string>
  /** Logs that are being removed, and what came for them since. */
  readonly #leaving = new Set<string>()
  readonly #returning = new Map<string, { readonly topic: Topic; readonly document: VersionedPartition }>()
  #lastSession: number
  #stopped: PortalError | undefined

  private constructor(host: ReplicaSetHost, logs: readonly string[], distrusted: Map<string, Distrust>) {
    this.#host = host
    this.#unclaimed = new Set(logs)
    this.#distrusted = distrusted
    // By chance, below 2^47: leaders may know sessions of another process with this name.
    this.#lastSession = Math.floor(host.runtime.random.float() * 2 ** 47)
    this.room = new CopyRoom((error) => host.partitions.emit('error', error))
    this.#throttle = new Throttle(host.runtime.clock, host.throttledRate)
    this.server = new FetchServer({
      runtime: host.runtime,
      storage: host.storage,
      lagTime: host.lagTime,
      find: (topicId, partition) => this.#find(topicId, partition),
      damaged: (log, error) => this.damaged(log, error),
    })
    this.#replicaHost = Object.assign(Object.create(host) as ReplicaSetHost, {
      // One that is about to leave shall not be waited for.
      isRegistered: (replica: Incarnation) =>
        this.#generationOf(replica) === replica.generation &&
        !this.#host.members().get(replica.broker)?.leaving,
      // What this broker knows may be old: a later life than the one that it knows is as good, an earlier one is not.
      isCurrent: (replica: Incarnation) =>
        replica.generation >= (this.#generationOf(replica) ?? Number.POSITIVE_INFINITY),
      barrier: new Barrier(host.partitions.committer),
      damaged: (log: string, error: PortalError) => this.damaged(log, error),
      generationOf: (replica: ReplicaName) => this.#generationOf(replica),
      isStalled: ({ broker }: ReplicaName) => this.#host.members().get(broker)?.stalled ?? false,
      isReplaced: ({ broker, storage }: ReplicaName) => {
        const member = this.#host.members().get(broker)
        return member !== undefined && member.storage !== storage
      },
      startFollowing: (follower: Follower, leader: ReplicaName) => {
        this.#following.set(follower, leader)
        this.#connect(follower, leader)
      },
      stopFollowing: (follower: Follower) => {
        this.#following.delete(follower)
        for (const { line } of this.#lines.values()) line.delete(follower)
      },
      distrustOf: (log: string) => this.#distrusted.get(log),
      distrust: (log: string) => void this.#distrusted.set(log, 'broken'),
    })
  }

  /** Knows which logs there are, and which of them are not to be trusted. */
  static async open(host: ReplicaSetHost): Promise<ReplicaSet> {
    const { storage } = host
    const replicas = new ReplicaSet(host, await storage.logs(), await distrustedLogs(storage))
    replicas.room.measured(await storage.space())
    return replicas
  }

  get replicas(): Iterable<Replica> {
    return this.#replicas.values()
  }

  find(topicId: string, partition: number): Replica | undefined {
    return this.#replicas.get(logName(topicId, partition))
  }

  /** Makes this broker's replica what the document says: leading, following, or gone. */
  assign(topic: Topic, document: VersionedPartition): void {
    if (this.#stopped) return
    const log = logName(document.topicId, document.partition)
    if (!names(document, this.#host.self)) return this.#dismiss(log, document)
    if (this.#leaving.has(log)) {
      this.#returning.set(log, { topic, document })
      return
    }
    this.#unclaimed.delete(log)
    const known = this.#replicas.get(log)
    if (known) return known.assign(document)
    const replica = new Replica(this.#replicaHost, topic, log, document)
    this.#replicas.set(log, replica)
    replica.assign(document)
  }

  /** Ends all replicas of a topic and removes what is stored of it: it was deleted. */
  async removeTopic(topicId: string, error: PortalError): Promise<void> {
    // What was to be given back once it is removed is not.
    for (const log of this.#returning.keys()) if (log.startsWith(`${topicId}/`)) this.#returning.delete(log)
    const all = [...this.#replicas.values()].filter(({ document }) => document.topicId === topicId)
    await Promise.all(all.map((replica) => this.#remove(replica, error)))
    const logs = await this.#host.storage.logs()
    const left = logs.filter((log) => log.startsWith(`${topicId}/`))
    if (left.length > 0) await this.#host.storage.commit(left.flatMap(forgetLog), { durable: true })
  }

  /** Members came, went or changed: lines lead to those that are there now. */
  membersChanged(): void {
    for (const [broker, { to, line }] of this.#lines) {
      if (to === this.#addressOf(broker)) continue
      this.#lines.delete(broker)
      void line.stop()
    }
    for (const [follower, leader] of this.#following) this.#connect(follower, leader)
  }

  /**
   * A log that is led here cannot be read: another shall lead it. Returns what to tell whoever has asked. One that was removed since, with its topic or to
   * be elsewhere, is not damaged.
   */
  damaged(log: string, error: PortalError): PortalError {
    return this.#replicas.get(log)?.damaged(error) ?? notLed(log)
  }

  /** Takes no documents any more and follows nobody; what it leads it leads on. */
  async stopFollowing(error: PortalError): Promise<void> {
    this.#stopped ??= error
    await Promise.all([...this.#lines.values()].map(({ line }) => line.stop()))
    const followers = [...this.#replicas.values()].filter(({ led }) => led === undefined)
    await Promise.all(followers.map((replica) => replica.end(error)))
  }

  async stop(error: PortalError): Promise<void> {
    this.#stopped ??= error
    await Promise.all([...this.#replicas.values()].map((replica) => replica.end(error)))
    await Promise.all([...this.#lines.values()].map(({ line }) => line.stop()))
  }

  #find(topicId: string, partition: number): ServedPartition | undefined {
    return this.#replicas.get(logName(topicId, partition))?.led
  }

  /** There is to be nothing of this log here. */
  #dismiss(log: string, document: VersionedPartition): void {
    const known = this.#replicas.get(log)
    if (known ? document.version < known.documentVersion : !this.#unclaimed.has(log)) return
    this.#returning.delete(log)
    if (this.#leaving.has(log)) return
    void (known ? this.#retire(known) : this.#discard(log, document))
  }

  async #retire(replica: Replica): Promise<void> {
    await this.#remove(replica, notLed(replica.log)).catch(() => {
      // The storage has failed, which others report; what is left goes with the next document.
    })
  }

  async #remove(replica: Replica, error: PortalError): Promise<void> {
    const { log } = replica
    this.#leaving.add(log)
    await replica.end(error)
    await this.#forget(log)
    if (this.#replicas.get(log) === replica) this.#replicas.delete(log)
    this.#left(log)
  }

  /**
   * Removes what was moved elsewhere while this broker was away. Who it was before it was started is not known here, so the document that says so may be
   * an old one, and the log be counted on: the one in force is asked.
   */
  async #discard(log: string, document: VersionedPartition): Promise<void> {
    this.#leaving.add(log)
    let failed = false
    try {
      const inForce = await this.#host.readDocument(document.topicId, document.partition)
      // Of a topic that was deleted all goes at once (invariant 11).
      if (inForce && !names(inForce, this.#host.self)) {
        await this.#forget(log)
        this.#unclaimed.delete(log)
      }
    } catch (error) {
      if (!isPortalError(error)) throw error
      failed = true
    }
    this.#left(log)
    if (!failed) return
    await pause(this.#host.runtime.timers, RETRY)
    if (!this.#stopped) this.#dismiss(log, document)
  }

  async #forget(log: string): Promise<void> {
    await this.#host.storage.commit(forgetLog(log), { durable: true })
    this.#distrusted.delete(log)
  }

  /** It is removed, and may have been given back meanwhile. */
  #left(log: string): void {
    this.#leaving.delete(log)
    const back = this.#returning.get(log)
    this.#returning.delete(log)
    if (back) this.assign(back.topic, back.document)
  }

  #generationOf({ broker, storage }: ReplicaName): number | undefined {
    const member = this.#host.members().get(broker)
    return member?.storage === storage ? member.generation : undefined
  }

  #addressOf(broker: string): string | undefined {
    const member = this.#host.members().get(broker)
    return member && `${member.url} ${member.storage} ${member.generation}`
  }

  #connect(follower: Follower, leader: ReplicaName): void {
    const to = this.#addressOf(leader.broker)
    const member = this.#host.members().get(leader.broker)
    if (to === undefined || member === undefined || this.#stopped) return
    let followed = this.#lines.get(leader.broker)
    if (followed?.to !== to) {
      void followed?.line.stop()
      followed = { to, line: this.#newLine(member) }
      this.#lines.set(leader.broker, followed)
    }
    const { inSync } = this.#replicas.get(follower.log)!.document
    followed.line.add(follower, includesReplica(inSync, this.#host.self))
  }

  #newLine(member: MemberDocument): LeaderLine {
    const { runtime, storage, partitions } = this.#host
    return new LeaderLine(
      {
        runtime,
        storage,
        lagTime: this.#host.lagTime,
        room: this.room,
        cluster: () => this.#host.cluster(),
        self: () => this.#host.incarnation(),
        nextSession: () => ++this.#lastSession,
        unreachable: (error) =>
          partitions.emit(
            'error',
            new PortalError(
              'DISCONNECTED',
              `Nothing can be fetched from broker ${member.broker} at ${member.url}, which lives: ${error.message} What it leads is not replicated here until it can be reached. Look at the network between the two, at certificates and at --cluster-secret-file.`,
              { cause: error },
            ),
          ),
        stopped: (follower, error) => {
          partitions.emit('error', error)
          // What is damaged is installed anew; anything else needs a person.
          if (error.code === 'CORRUPT' && !follower.contradicted)
            void this.find(follower.topicId, follower.partition)?.startAnew(follower)
        },
        installing: (log) => void this.#distrusted.set(log, 'broken'),
        installed: (log) => void this.#distrusted.set(log, 'behind'),
        isDistrusted: (log) => this.#distrusted.has(log),
        trusted: (log) => void this.#distrusted.delete(log),
      },
      this.#host.connectPeer(member.url),
      this.#throttle,
    )
  }
}

function names({ replicas, target = [] }: VersionedPartition, self: ReplicaName): boolean {
  return includesReplica([...replicas, ...target], self)
}
