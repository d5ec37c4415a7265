import { Committer } from '../../../src/broker/committer.js'
import { CopyRoom } from '../../../src/broker/replication/copy-room.js'
import { FetchServer } from '../../../src/broker/replication/fetch-server.js'
import { Follower } from '../../../src/broker/replication/follower.js'
import { LeaderLine } from '../../../src/broker/replication/leader-line.js'
import { Leading, type LeadingHost } from '../../../src/broker/replication/leading.js'
import { Throttle } from '../../../src/broker/replication/throttle.js'
import type { VersionedPartition } from '../../../src/coordination/partition-version.js'
import type { StoredEntry } from '../../../src/core/entry.js'
import { encodeBody } from '../../../src/core/entry-codec.js'
import { PortalError } from '../../../src/core/errors.js'
import { RecordBatchBuilder } from '../../../src/core/record-batch-builder.js'
import type { Incarnation } from '../../../src/protocol/peer-service.js'
import { virtualRuntime } from '../../../src/runtime/virtual.js'
import { memoryStorage } from '../../../src/storage/memory.js'
import { FetchLine } from './fetch-line.js'

const LEADER = { broker: 'a', storage: 'sa' }
const FOLLOWER = { broker: 'b', storage: 'sb' }
export const LAG = 10_000

export interface FetchPairOptions {
  readonly seed?: number | undefined
  /** Bytes a second that the follower fetches of what it is behind with. */
  readonly throttledRate?: number | undefined
  /** Of two. @default 2 */
  readonly minInSync?: number | undefined
}

/** A leader and a follower of some partitions, on disks in memory, with a line between them. Time is virtual. */
export class FetchPair {
  readonly runtime: ReturnType<typeof virtualRuntime>
  readonly line: FetchLine
  readonly partitions: PairedPartition[]
  /** The follower's life. */
  generation = 1
  /** What the follower has told of its disk. */
  readonly stalled: PortalError[] = []
  /** For what the follower adds to its disk. */
  readonly room = new CopyRoom((error) => this.stalled.push(error))
  readonly #followed: LeaderLine
  readonly #leaderStorage
  readonly #followerStorage
  #lastSession: number

  constructor(count: number, { seed = 1, throttledRate = 32 << 20, minInSync = 2 }: FetchPairOptions = {}) {
    this.runtime = virtualRuntime({ seed })
    const { runtime } = this
    this.#lastSession = Math.floor(runtime.random.float() * 2 ** 47)
    // Time passes in small steps, so that long chains of promises end before it has gone on by much.
    const tick = () => void runtime.timers.setTimeout(tick, 1)
    tick()
    this.#leaderStorage = memoryStorage()
    this.#followerStorage = memoryStorage()
    this.line = new FetchLine(runtime, this.#server())
    const committer = new Committer(this.#followerStorage, runtime.timers, (error) => {
      throw error
    })
    this.partitions = Array.from(
      { length: count },
      (_, partition) =>
        new PairedPartition(partition, {
          runtime,
          storage: this.#leaderStorage,
          minInSync,
          open: () =>
            Follower.open(
              { runtime, storage: this.#followerStorage, committer },
              { topicId: 't', partition, log: `t/${partition}` },
            ),
        }),
    )
    this.#followed = new LeaderLine(
      {
        runtime,
        storage: this.#followerStorage,
        lagTime: LAG,
        room: this.room,
        cluster: () => 'c',
        self: () => this.incarnation,
        nextSession: () => ++this.#lastSession,
        unreachable: () => {},
        stopped: (_, error) => {
          throw error
        },
        installing: () => {},
        installed: () => {},
        isDistrusted: () => false,
        trusted: () => {},
      },
      this.line.peer,
      new Throttle(runtime.clock, throttledRate),
    )
  }

  /** The follower's. */
  get incarnation(): Incarnation {
    return { ...FOLLOWER, generation: this.generation }
  }

  async open(): Promise<this> {
    for (const partition of this.partitions) {
      await partition.open()
      this.follow(partition)
    }
    return this
  }

  /** `takenAs`: whether it is in sync, as far as the follower knows. */
  follow({ follower, epoch, isInSync }: PairedPartition, takenAs = isInSync): void {
    follower.follow(LEADER, epoch)
    this.#followed.add(follower, takenAs)
  }

  leave({ follower }: PairedPartition): void {
    this.#followed.delete(follower)
  }

  /** The leader's process is another one: it knows nothing of what was asked before. */
  restartLeader(): void {
    this.line.server = this.#server()
  }

  /** The follower leaves it, and is not in sync any more once the lag time is over. */
  async dismiss(partition: PairedPartition): Promise<void> {
    this.leave(partition)
    await this.runtime.runUntil(() => !partition.isInSync, 2 * LAG)
  }

  /** Until the follower has everything, and knows that it is committed. */
  untilSame(limit: number): Promise<void> {
    return this.runtime.runUntil(() => this.partitions.every(({ isSame }) => isSame), limit)
  }

  async close(): Promise<void> {
    for (const { leading } of this.partitions) leading.close(new PortalError('CLOSED', 'The test is over.'))
    await this.runtime.runUntil(this.#followed.stop())
  }

  #server(): FetchServer {
    return new FetchServer({
      runtime: this.runtime,
      storage: this.#leaderStorage,
      lagTime: LAG,
      find: (_, partition) => this.partitions[partition]?.served,
      damaged: (_, error) => error,
    })
  }
}

interface PairedHost {
  readonly runtime: FetchPair['runtime']
  readonly storage: LeadingHost['storage']
  readonly minInSync: number
  open(): Promise<Follower>
}

export class PairedPartition {
  readonly log: string
  epoch = 0
  follower!: Follower
  leading: Leading
  readonly #host: PairedHost
  readonly #epochs: number[] = []
  #next = 0
  #nextOffset = 0
  #document: VersionedPartition

  constructor(partition: number, host: PairedHost) {
    this.log = `t/${partition}`
    this.#host = host
    this.#document = {
      topicId: 't',
      partition,
      epoch: 0,
      leader: LEADER,
      replicas: [LEADER, FOLLOWER],
      inSync: [LEADER, FOLLOWER],
      version: 1,
    }
    this.leading = this.#lead()
  }

  get served() {
    return { log: this.log, epoch: this.epoch, leading: this.leading }
  }

  get isSame(): boolean {
    const { next, highWatermark } = this.follower
    return next === this.#next && highWatermark === this.#next && this.leading.committedIndex === this.#next
  }

  get isCommitted(): boolean {
    return this.leading.committedIndex === this.#next
  }

  /** By the document. */
  get isInSync(): boolean {
    return this.#document.inSync.length === 2
  }

  /** How far the leader takes the follower to be. */
  get position(): number {
    return this.leading.positions()[0]!.position
  }

  async open(): Promise<void> {
    this.follower = await this.#host.open()
    await this.append()
  }

  /** Another epoch begins, with a leader of its own. */
  async elect(): Promise<void> {
    this.leading.close(new PortalError('NOT_LEADER', 'Another epoch has begun.'))
    this.epoch++
    this.#document = { ...this.#document, epoch: this.epoch, version: this.#document.version + 1 }
    this.leading = this.#lead()
    await this.append()
  }

  /** The follower is no replica any more, and soon is one again. */
  takeAwayAndGiveBack(): void {
    const { version, replicas } = this.#document
    this.leading.adopt({ ...this.#document, replicas: [LEADER], inSync: [LEADER], version: version + 1 })
    this.#document = {
      ...this.#document,
      target: replicas,
      replicas: [LEADER],
      inSync: [LEADER],
      version: version + 2,
    }
    this.leading.adopt(this.#document)
  }

  /** What makes no messages. `bytes`: of the entry, about. */
  append(bytes = 1): Promise<void> {
    const body = { kind: 'epoch', leader: 'a'.repeat(bytes) } as const
    return this.#append({
      kind: 'epoch',
      baseOffset: 0,
      count: 0,
      payload: encodeBody(body, this.#host.runtime.crc32),
    })
  }

  /** A message of so many bytes, about. */
  send(bytes: number): Promise<void> {
    const batch = new RecordBatchBuilder(this.#host.runtime.crc32)
    batch.tryAppend({ contentType: 'text', value: 'a'.repeat(bytes), timestamp: 0 })
    const payload = batch.seal('', 0, 0)
    return this.#append({ kind: 'messages', baseOffset: this.#nextOffset++, count: 1, payload })
  }

  async #append(content: Pick<StoredEntry, 'kind' | 'baseOffset' | 'count' | 'payload'>): Promise<void> {
    const { runtime, storage } = this.#host
    const entry: StoredEntry = {
      ...content,
      index: this.#next,
      epoch: this.epoch,
      version: 1,
      appendTime: runtime.clock.now(),
      safeTime: runtime.clock.now(),
    }
    if (this.#epochs.at(-2) !== this.epoch) this.#epochs.push(this.epoch, this.#next)
    this.#next++
    await storage.commit([{ type: 'append', log: this.log, entries: [entry] }], { durable: true })
    this.leading.appended([entry])
    this.leading.durable(this.#next)
  }

  /** Stores one of all that there is, as far as a leader reads it. Resolves to its index. */
  async snapshot(): Promise<number> {
    const index = this.#next
    const payload = encodeBody({ kind: 'epoch', leader: 'a' }, this.#host.runtime.crc32)
    const header = { index, epoch: this.epoch, pages: [], payload }
    await this.#host.storage.commit([{ type: 'snapshot', log: this.log, header }], { durable: true })
    return index
  }

  #lead(): Leading {
    const { runtime, storage, minInSync } = this.#host
    const led = {
      log: this.log,
      epoch: this.epoch,
      minInSync: () => minInSync,
      epochs: this.#epochs,
      next: () => this.#next,
      logStart: () => 0,
      progressed: () => {},
    }
    const host: LeadingHost = {
      runtime,
      storage,
      self: LEADER,
      lagTime: LAG,
      isRegistered: () => true,
      isCurrent: () => true,
      isReplaced: () => false,
      isStalled: () => false,
      damaged: (_, error) => {
        throw error
      },
      entryVersion: () => 1,
      sessionHolds: () => true,
      changeDocument: async (_, change) => {
        const changed = change(this.#document, this.#document.version)
        if (changed) this.#document = { ...changed, version: this.#document.version + 1 }
        return this.#document
      },
      documentChanged: () => {},
    }
    return new Leading(host, led, this.#document, 0)
  }
}
