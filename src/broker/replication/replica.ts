import type { GroupDocument, ReplicaName } from '../../coordination/documents.js'
import type { VersionedPartition } from '../../coordination/partition-version.js'
import { isPortalError, PortalError } from '../../core/errors.js'
import { isSameReplica } from '../../core/placement/placed-partition.js'
import type { Incarnation } from '../../protocol/peer-service.js'
import { pause } from '../../runtime/pause.js'
import type { PartitionHost } from '../host.js'
import type { Hosting } from '../hosting.js'
import { Partition } from '../partition.js'
import type { Topic } from '../topic.js'
import type { Barrier } from './barrier.js'
import { Follower } from './follower.js'
import { type HandOver, handOver } from './hand-over.js'
import { type Distrust, distrustLog } from './install.js'
import { Leading, type LeadingHost } from './leading.js'
import { type Led, notLed } from './led.js'
import { Repair, type RepairHost } from './repair.js'

/** How long to wait before trying again what failed (ms). */
const RETRY = 200

/** What a replica needs of its broker. */
export interface ReplicaHost extends LeadingHost, RepairHost {
  readonly partitions: PartitionHost
  readonly hosting: Hosting
  /** This broker's life by now. */
  incarnation(): Incarnation
  /** The groups of a topic as they stand in the coordination store; of `known` none is missing that was there when this was called. */
  readGroups(topicId: string, known: Iterable<string>): Promise<readonly GroupDocument[]>
  /** A follower goes on at this leader's. */
  startFollowing(follower: Follower, leader: ReplicaName): void
  stopFollowing(follower: Follower): void
  readonly barrier: Barrier
  /** Why the log must not be led, if so. */
  distrustOf(log: string): Distrust | undefined
  /** This broker leads a partition of the topic now. */
  leads(topic: Topic): void
}

/** One replica of one partition on this broker: leads, follows or goes, as the partition's document says. */
export class Replica {
  readonly log: string
  readonly #host: ReplicaHost
  readonly #topic: Topic
  #wanted: VersionedPartition
  #led: Led | undefined
  #follower: Follower | undefined
  #working: Promise<void> | undefined
  /** What was committed when it last led. */
  #committed = 0
  /** Of the document, as leaders have told. */
  #toldVersion = 0
  readonly #repair: Repair
  /** The last epoch in which it alone was to lead, and could not. */
  #short: number | undefined
  #ended: PortalError | undefined

  constructor(host: ReplicaHost, topic: Topic, log: string, document: VersionedPartition) {
    this.#host = host
    this.#topic = topic
    this.log = log
    this.#wanted = document
    this.#repair = new Repair(host, {
      log,
      led: () => this.#led,
      handOver: (led, how) => this.#handOver(led, how),
      settled: async () => this.#working,
    })
  }

  get document(): VersionedPartition {
    return this.#wanted
  }

  /** The highest version of the document that is known to name this replica: no older one takes it away. */
  get documentVersion(): number {
    return Math.max(this.#wanted.version, this.#toldVersion, this.#follower?.documentVersion ?? 0)
  }

  get led(): Led | undefined {
    return this.#led
  }

  get follower(): Follower | undefined {
    return this.#follower
  }

  get topic(): Topic {
    return this.#topic
  }

  /** Makes it what the document says; older documents change nothing. */
  assign(document: VersionedPartition): void {
    if (document.version < this.#wanted.version) return
    this.#wanted = document
    this.#settle()
  }

  /** Ends it: nothing of it goes on. Resolves when its log is at rest. */
  async end(error: PortalError): Promise<void> {
    this.#ended ??= error
    if (this.#led) this.#resign(error)
    // No leader hears of it any more: what it has is about to be removed, perhaps.
    if (this.#follower) this.#host.stopFollowing(this.#follower)
    await this.#working
    if (this.#led) this.#resign(error)
    await this.#stopFollowing(error)
  }

  /** This follower cannot go on: it begins anew, without what it has, if another replica has it all. */
  async startAnew(follower: Follower): Promise<void> {
    if (this.#follower !== follower || !(await this.#noteDistrust())) return
    await this.#stopFollowing(notLed(this.log))
    this.#settle()
  }

  /** What it leads cannot be read. Returns what to tell whoever has asked: the same, unless others have the log. */
  damaged(error: PortalError): PortalError {
    return this.#repair.damaged(error)
  }

  /** Hands leadership over to `to`, once that has everything. Rejects with NOT_LEADER, or NOT_ENOUGH_REPLICAS if `to` does not catch up in time. */
  async handOver(epoch: number, to: Incarnation): Promise<VersionedPartition> {
    const led = this.#led
    if (led?.epoch !== epoch) throw notLed(this.log)
    return this.#handOver(led, { to, whole: true, written: () => {} })
  }

  #handOver(led: Led, how: HandOver): Promise<VersionedPartition> {
    const written = (changed: VersionedPartition) => {
      how.written(changed)
      this.assign(changed)
    }
    return handOver(this.#host.runtime, led, { ...how, written })
  }

  #settle(): void {
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined
    })
  }

  /** Until it is what is wanted, or has ended. */
  async #work(): Promise<void> {
    for (;;) {
      const document = this.#wanted
      try {
        if (this.#ended) return
        await this.#become(document)
        if (this.#wanted === document || this.#ended) return
      } catch (error) {
        if (!isPortalError(error)) throw error
        if (this.#ended) return
        if (this.#wanted !== document) continue
        if (error.code === 'STORAGE_FAILED') return
        if (error.code === 'CORRUPT') await this.#distrust(error)
        const { timers } = this.#host.runtime
        await pause(timers, RETRY)
      }
    }
  }

  async #become(document: VersionedPartition): Promise<void> {
    const self = this.#host.incarnation()
    const isLeader =
      isSameReplica(document.leader, self) && (document.incarnation ?? self.generation) === self.generation
    if (isLeader && this.#led?.epoch === document.epoch && !this.#led.partition.closed) {
      this.#led.leading.adopt(document)
    } else if (isLeader) await this.#lead(document)
    else await this.#follow(document)
  }

  async #lead(document: VersionedPartition): Promise<void> {
    if (this.#led) this.#resign(notLed(this.log))
    if (this.#host.distrustOf(this.log)) return this.#decline(document)
    const follower = this.#follower ?? (await this.#openFollower())
    const committed = Math.max(this.#committed, follower.highWatermark)
    await this.#stopFollowing(notLed(this.log))
    const recovered = await follower.promote()
    const groups = await this.#host.readGroups(document.topicId, recovered.state.queues.keys())
    if (this.#wanted.epoch !== document.epoch || this.#ended) return
    const { log, epoch } = { log: this.log, epoch: document.epoch }
    const { state } = recovered
    const leading = new Leading(
      this.#host,
      {
        log,
        epoch,
        minInSync: () => this.#topic.document.config.minInSync,
        epochs: state.epochs,
        next: () => state.nextIndex,
        logStart: () => partition.logStart,
        progressed: (again) => partition.progressed(again),
      },
      document,
      committed,
    )
    const partition: Partition = new Partition(
      this.#host.partitions,
      this.#topic,
      document.partition,
      log,
      epoch,
      recovered,
      leading,
    )
    this.#led = { log, epoch, leading, partition }
    this.#host.leads(this.#topic)
    // Not waited for: it takes until those in sync have the first entry, and another document may come before.
    this.#host.hosting.lead(this.#topic, partition, groups).catch((error: unknown) => {
      if (!isPortalError(error)) throw error
      if (partition.closed) return
      this.#host.partitions.emit('error', error)
    })
  }

  async #follow(document: VersionedPartition): Promise<void> {
    if (this.#led) this.#resign(notLed(this.log))
    const follower = this.#follower ?? (await this.#openFollower())
    this.#follower = follower
    follower.named(this.documentVersion)
    if (follower.epoch === document.epoch) return
    this.#host.stopFollowing(follower)
    if (!document.leader || isSameReplica(document.leader, this.#host.self)) return
    follower.follow(document.leader, document.epoch)
    this.#host.startFollowing(follower, document.leader)
    this.#host.partitions.emit('follower', {
      topic: this.#topic.name,
      partition: document.partition,
      epoch: document.epoch,
      leader: document.leader.broker,
    })
  }

  async #openFollower(): Promise<Follower> {
    const { storage } = this.#host
    const { topicId, partition } = this.#wanted
    const { runtime, committer } = this.#host.partitions
    await this.#host.barrier.passed()
    const host = { runtime, storage, committer }
    const name = { topicId, partition, log: this.log }
    if (this.#host.distrustOf(this.log) !== 'broken') return Follower.open(host, name, this.#committed)
    // The mark stays until the whole is here.
    await storage.commit([distrustLog(this.log)], { durable: true })
    return Follower.openUntrusted(host, name)
  }

  /** Leadership of a log that lacks something: another that is in sync shall have it. */
  async #decline(document: VersionedPartition): Promise<void> {
    const other = document.inSync.find((replica) => !isSameReplica(replica, this.#host.self))
    if (!other) {
      if (this.#host.distrustOf(this.log) === 'behind') throw this.#isShort(document)
      throw new PortalError(
        'CORRUPT',
        `The only in-sync replica of ${this.log} is damaged: restore its database, or elect another uncleanly with "portal-mq cluster elect".`,
      )
    }
    const changed = await this.#host.changeDocument(document, (current) => {
      if (current.epoch !== document.epoch) return undefined
      const inSync = current.inSync.filter((replica) => !isSameReplica(replica, this.#host.self))
      return { ...current, leader: null, incarnation: undefined, inSync }
    })
    if (!changed) return
    this.#host.documentChanged(changed)
    if (changed.version > this.#wanted.version) this.#wanted = changed
  }

  /** Nobody else is in sync, and what it has is whole: it is kept, and somebody is told once. */
  #isShort(document: VersionedPartition): PortalError {
    const error = new PortalError(
      'NOT_ENOUGH_REPLICAS',
      `The only in-sync replica of ${this.log} was damaged and has not got all back that was committed: elect one that has with "portal-mq cluster elect", once it lives.`,
    )
    if (this.#short !== document.epoch) this.#host.partitions.emit('error', error)
    this.#short = document.epoch
    return error
  }

  /** A log that cannot be read is installed anew. */
  async #distrust(error: PortalError): Promise<void> {
    this.#host.partitions.emit('error', error)
    if (this.#host.distrustOf(this.log) === 'broken') return
    if (await this.#noteDistrust()) await this.#stopFollowing(error)
  }

  /** Resolves to false if the disk does not take it: with it the broker ends. */
  async #noteDistrust(): Promise<boolean> {
    this.#host.distrust(this.log)
    try {
      await this.#host.storage.commit([distrustLog(this.log)], { durable: true })
      return true
    } catch (error) {
      if (!isPortalError(error)) throw error
      return false
    }
  }

  #resign(error: PortalError): void {
    const led = this.#led
    if (!led) return
    this.#led = undefined
    this.#committed = Math.max(this.#committed, led.leading.committedIndex)
    this.#topic.removePartition(led.partition)
    led.partition.close(error)
    for (const dispatcher of this.#topic.dispatchers.values()) {
      // Who waits here waits in vain, for this partition or for all.
      if (this.#topic.partitions.length === 0) dispatcher.failAll(error)
      else dispatcher.departed(error)
    }
  }

  async #stopFollowing(error: PortalError): Promise<void> {
    const follower = this.#follower
    if (!follower) return
    this.#follower = undefined
    this.#host.stopFollowing(follower)
    this.#toldVersion = Math.max(this.#toldVersion, follower.documentVersion)
    this.#committed = Math.max(this.#committed, follower.highWatermark)
    await follower.close(error)
  }
}
