import { crc32 } from 'node:zlib'
import type { PartitionDocument, ReplicaName } from '../../src/coordination/documents.js'
import type { StoredEntry } from '../../src/core/entry.js'
import { decodeBody } from '../../src/core/entry-codec.js'
import { PartitionState } from '../../src/core/partition-state.js'
import { isSameReplica } from '../../src/core/placement/placed-partition.js'
import { RecordBatchView } from '../../src/core/record-batch-view.js'
import { decodeSnapshot } from '../../src/core/snapshot.js'
import type { FetchResponse } from '../../src/protocol/peer-service.js'
import type { MemoryDatabase } from '../../src/storage/memory-database.js'
import type { Write } from '../../src/storage/storage.js'
import { dumpState } from '../unit/queue-model/dump.js'
import { ClusterLedger } from './cluster-ledger.js'
import { deathOf } from './death.js'
import { firstDifference } from './difference.js'
import type { Disk, DiskWatcher } from './disk.js'
import { DocumentAudit, topicOf } from './document-audit.js'
import type { Ensemble } from './ensemble.js'
import { Hands } from './hands.js'
import { notInForce } from './in-force.js'
import { LeaseTimes } from './lease-times.js'
import { Refusals } from './refusals.js'
import { ReplicaAudit } from './replica-audit.js'
import type { Trace } from './trace.js'
import { check, type Violation } from './violation.js'
import { WrittenValues } from './written-values.js'

/** A disk of the cluster: one database, from its birth until it is wiped, and beyond. */
interface Database {
  readonly name: string
  readonly disk: Disk
  readonly replicas: Map<string, ReplicaAudit>
  readonly hands: Hands
  storage: string | undefined
  isWiped: boolean
}

/** Beginning of the keys that say that a log is not to be trusted: it is being replaced, or may lack what is committed. */
const INSTALLING = 'installing:'

/** A snapshot that was written before all that it covers was known to be committed. */
interface EarlySnapshot {
  readonly database: Database
  readonly log: string
  readonly index: number
}

/**
 * Watches all disks of a cluster and its documents, and knows by itself what may be committed: what every replica in sync has fsynced. Once
 * anyone is shown that it is, by a high watermark or by an answer that rests on it, it is there for good, and goes into the ledger; what was
 * not on all those disks must not be shown.
 */
export class ClusterAudit {
  readonly ledger: ClusterLedger
  readonly documents: DocumentAudit
  readonly refusals: Refusals
  /** By topic id (ms). */
  readonly deletedAt = new Map<string, number>()
  readonly writtenValues = new WrittenValues()
  readonly #trace: Trace
  readonly #latestTime: () => number
  readonly #happened: (what: string) => void
  readonly #maxDeliveries: (group: string) => number
  readonly #databases: Database[] = []
  /** `log index epoch` -> the entry: each is written once (invariant 1). */
  readonly #entries = new Map<string, StoredEntry>()
  /** `log index epoch` -> the latest that any clock showed when it was written. */
  readonly #writtenAt = new Map<string, number>()
  /** `log index epoch` that was not written by its leader first, so far. */
  readonly #unclaimed = new Map<string, string>()
  /** `log index epoch` that its leader has sent to others. */
  readonly #offered = new Set<string>()
  /** `log epoch` -> the lowest and the highest high watermark that were shown. */
  readonly #shown = new Map<string, Map<number, { low: number; high: number }>>()
  /** By log and index: what at some time all replicas in sync had, and nobody was shown to be committed yet. */
  readonly #possible = new Map<string, StoredEntry[]>()
  /** `log epoch` -> the index of its first entry. */
  readonly #beginnings = new Map<string, number>()
  readonly #leaseTimes = new LeaseTimes()
  #early: EarlySnapshot[] = []

  constructor(options: {
    readonly trace: Trace
    readonly ensemble: Ensemble
    readonly now: () => number
    readonly latestTime: () => number
    /** Something to be counted has happened. */
    readonly happened: (what: string) => void
    readonly maxDeliveries: (group: string) => number
    /** A promise was broken where nobody can be told by an error. */
    readonly fail: (violation: Violation) => void
  }) {
    this.refusals = new Refusals(options.fail)
    this.#trace = options.trace
    this.#latestTime = options.latestTime
    this.#happened = options.happened
    this.#maxDeliveries = options.maxDeliveries
    this.ledger = new ClusterLedger(options, {
      holders: (log, index, epoch) => this.#holders(log, index, epoch),
      minInSync: (log) => this.documents.minInSync(log),
      mayDiscard: (topic, group) => this.documents.discarding.has(`${topic} ${group}`),
      reveal: (log, is) => this.#reveal(log, is, 'a client was shown'),
    })
    this.documents = new DocumentAudit(options.ensemble, options.trace, {
      changed: (log, document, before) => this.#documentChanged(log, document, before),
      buried: (topicId) => {
        this.deletedAt.set(topicId, options.now())
        this.ledger.bury(topicId)
      },
      registered: ({ storage, generation }) => {
        for (const database of this.#databases)
          if (database.storage === storage) database.hands.lives(generation)
      },
    })
  }

  /** Watches a new disk. Returns who is to be told of it. */
  watch(name: string, disk: () => Disk): DiskWatcher & { restarted(): void; wiped(): void } {
    let database: Database | undefined
    const known = () => {
      database ??= {
        name,
        disk: disk(),
        replicas: new Map(),
        hands: new Hands(this.#maxDeliveries),
        storage: undefined,
        isWiped: false,
      }
      if (!this.#databases.includes(database)) this.#databases.push(database)
      return database
    }
    return {
      written: (writes) => this.#written(known(), writes),
      synced: () => this.#synced(known()),
      restarted: () => this.#restarted(known()),
      wiped: () => {
        known().isWiped = true
      },
    }
  }

  // What disks tell ----------------------------------------------------------------------------------------------------

  #written(database: Database, writes: readonly Write[]): void {
    const { view } = database.disk
    for (const write of writes) {
      if (write.type === 'meta') this.#identify(database, write)
      else {
        if (write.type === 'append')
          for (const entry of write.entries) this.#appended(database, write.log, entry)
        if (write.type === 'truncate') this.#truncated(database, write.log, write.from)
        if (write.type === 'delete-log') this.#deleted(database, write.log)
        const replica = this.#replica(database, write.log)
        replica.written(write, view)
      }
    }
    for (const write of writes) {
      if (write.type !== 'snapshot') continue
      const { index, pages } = write.header
      this.#trace.line(
        `${database.name} log ${brief(write.log)} snapshot to ${index}, pages ${pages.join(' ')}`,
      )
      this.#early.push({ database, log: write.log, index })
    }
    for (const log of new Set(writes.flatMap((write) => ('log' in write ? [write.log] : [])))) {
      database.replicas.get(log)?.checkWhole()
    }
  }

  #identify(database: Database, { key, value }: Extract<Write, { type: 'meta' }>): void {
    if (key.startsWith(INSTALLING)) {
      const replica = this.#replica(database, key.slice(INSTALLING.length))
      // It has found rot: from now on it is not to be trusted, in sync or not.
      if (value !== undefined && database.disk.isRotting(replica.log)) replica.excuse()
      replica.marked(value)
      return
    }
    if (key !== 'broker' || value === undefined) return
    database.storage = JSON.parse(new TextDecoder().decode(value)).storageId as string
  }

  #synced(database: Database): void {
    for (const replica of database.replicas.values()) {
      replica.synced()
      this.#advance(replica.log)
      this.#checkExcuse(replica, database)
    }
  }

  /** A machine has lost power, or a process died: what it has written may be gone. */
  #restarted(database: Database): void {
    const { view } = database.disk
    database.hands.died()
    const marks = view.readMeta(INSTALLING)
    for (const replica of database.replicas.values()) {
      const before = replica.end
      replica.marked(marks.get(INSTALLING + replica.log))
      replica.restarted(view)
      if (replica.end !== before)
        this.#trace.line(`${database.name} lost ${before - replica.end} entries of ${replica.log}`)
      if (replica.isExcused) this.#checkExcuse(replica, database)
      else if (this.#isInSync(replica, database)) this.#checkHolds(replica, '[3]')
    }
    this.#early = this.#early.filter(
      (early) => early.database !== database || view.readSnapshot(early.log)?.header.index === early.index,
    )
    this.#settleSnapshots()
  }

  #appended(database: Database, log: string, entry: StoredEntry): void {
    const { index, epoch, kind, baseOffset, count } = entry
    const key = `${log} ${index} ${epoch}`
    this.#trace.line(`${database.name} log ${brief(log)} ${index}@${epoch} ${kind} ${baseOffset}+${count}`)
    const leader = this.documents.leaderOf(log, epoch)
    const isLeader = leader !== undefined && leader.storage === database.storage
    check(leader !== undefined, () => `[1] ${database.name} writes ${key}: nobody was given that epoch`)
    const known = this.#entries.get(key)
    if (known === undefined) {
      this.#entries.set(key, entry)
      this.#writtenAt.set(key, this.#latestTime())
      if (!isLeader && !this.#offered.has(key)) this.#unclaimed.set(key, database.name)
      const beginning = `${log} ${epoch}`
      if (!this.#beginnings.has(beginning)) this.#beginnings.set(beginning, index)
      if (kind === 'messages') {
        this.#checkDeadLetters(log, entry)
        this.writtenValues.appended(log, entry)
      }
    } else {
      check(isSameEntry(known, entry), () => `[1, 5] ${database.name} writes another entry ${key}`)
    }
    if (isLeader) {
      this.#unclaimed.delete(key)
      // Once another leads it may be given what it never wrote itself, or has lost: that is no decision.
      if (this.#isInForce(log, epoch))
        this.#leaseTimes.appended(log, entry, decodeBody(entry, crc32), database.disk.askedAt(entry))
    }
    const committed = this.#committed(log)[index]
    check(
      committed === undefined || committed.epoch >= epoch,
      () =>
        `[4] ${database.name} writes ${kind} at ${log} ${index} in epoch ${epoch}, where ${committed!.kind} of epoch ${committed!.epoch} is committed`,
    )
    if (isLeader) {
      const document = this.documents.partitions.get(log)
      if (kind === 'epoch' && document?.epoch === epoch)
        database.hands.begin(log, entry, this.#below(database, log, index), document.incarnation)
      database.hands.appended(log, entry, decodeBody(entry, crc32))
      if (kind === 'messages') this.refusals.appended(log, entry)
    }
  }

  #isInForce(log: string, epoch: number): boolean {
    return this.documents.partitions.get(log)?.epoch === epoch
  }

  #checkDeadLetters(log: string, { payload, count }: StoredEntry): void {
    const view = new RecordBatchView(payload)
    for (let at = 0; at < count; at++) {
      const death = deathOf(view.headers(at))
      if (death) this.ledger.copied(death, topicOf(log))
    }
  }

  /** What a disk has of a log below an index; where a snapshot has it instead, what is committed. */
  *#below(database: Database, log: string, end: number): Generator<StoredEntry> {
    const { epochs } = this.#replica(database, log)
    const committed = this.#committed(log)
    for (let index = 0; index < end; index++) {
      const epoch = epochs[index] ?? committed[index]?.epoch ?? this.#possible.get(log)?.[index]?.epoch
      const entry = this.#entries.get(`${log} ${index} ${epoch}`)
      if (entry) yield entry
    }
  }

  #truncated(database: Database, log: string, from: number): void {
    const document = this.documents.partitions.get(log)
    const replica = this.#replica(database, log)
    this.#trace.line(`${database.name} log ${brief(log)} truncated from ${from}, was ${replica.end}`)
    if (!document || !isIn(document.inSync, database)) return
    const committed = this.#committed(log)
    for (let index = from; index < Math.min(replica.end, committed.length); index++) {
      const lost = replica.holds(index, committed[index]!.epoch)
      check(!lost, () => `[6] ${database.name}, in sync, truncates ${log} ${index}, which is committed`)
    }
  }

  #deleted(database: Database, log: string): void {
    this.#trace.line(`${database.name} deletes log ${brief(log)}`)
    const document = this.documents.partitions.get(log)
    const isDead = this.documents.isGone(topicOf(log))
    const isReplica =
      document !== undefined && isIn([...document.replicas, ...(document.target ?? [])], database)
    const replica = this.#replica(database, log)
    // What it has of it cannot be read: it begins anew, in sync or not.
    if (database.disk.isRotting(log)) replica.excuse()
    const mayGo =
      isDead ||
      (document !== undefined && (!isReplica || !isIn(document.inSync, database) || replica.isExcused))
    if (isReplica && !isDead) this.#happened('log replaced')
    check(
      mayGo,
      () => `[11] ${database.name} deletes ${log}, which no tombstone and no move has taken from it`,
    )
  }

  // What is committed --------------------------------------------------------------------------------------------------

  /** Notes what all replicas in sync have by now: their leader may say that it is committed. Whether it does, others show. */
  #advance(log: string): void {
    const document = this.documents.partitions.get(log)
    if (!document || document.inSync.length === 0 || this.documents.isGone(topicOf(log))) return
    const replicas = document.inSync.map((name) => this.#replicaOf(name, log))
    const possible = this.#possible.get(log) ?? []
    this.#possible.set(log, possible)
    for (let index = this.#committed(log).length; ; index++) {
      // Where all have a snapshot instead, it is of what there was before.
      const found = replicas.find((replica) => replica?.epochs[index] !== undefined)?.epochs[index]
      const epoch = found ?? possible[index]?.epoch
      if (epoch === undefined || !replicas.every((replica) => replica?.counts(index, epoch))) break
      const before = possible[index]?.epoch
      if (before !== undefined && before >= epoch) continue
      // What was there before was never said to be committed, and is lost with all that followed it.
      possible.length = Math.min(possible.length, index)
      possible[index] = this.#entries.get(`${log} ${index} ${epoch}`)!
    }
  }

  /** Below it all is committed, or may be. */
  #possibleEnd(log: string): number {
    return Math.max(this.#committed(log).length, this.#possible.get(log)?.length ?? 0)
  }

  /** Somebody was shown that all below `end` is committed: so it is, for good. */
  #commit(log: string, end: number, who: string): void {
    if (this.documents.isGone(topicOf(log))) return
    const audit = this.ledger.audit(log)
    const possible = this.#possible.get(log) ?? []
    if (audit.entries.length >= end) return
    while (audit.entries.length < end) {
      const entry = possible[audit.entries.length]
      check(
        entry !== undefined,
        () =>
          `[3] ${who}: ${log} is committed below ${end}, but ${audit.entries.length} was never on all disks in sync`,
      )
      this.ledger.append(audit, entry!, this.#writtenAt.get(`${log} ${entry!.index} ${entry!.epoch}`)!)
    }
    this.#trace.line(`committed: ${brief(log)} below ${end}`)
    this.#settleSnapshots()
  }

  /** Commits up to the first entry that may be, and of which this is so: somebody was shown what rests on it. */
  #reveal(log: string, is: (entry: StoredEntry) => boolean, who: string): void {
    const possible = this.#possible.get(log) ?? []
    for (let index = this.#committed(log).length; index < possible.length; index++)
      if (is(possible[index]!)) return this.#commit(log, index + 1, who)
  }

  #documentChanged(log: string, document: PartitionDocument, before: PartitionDocument | undefined): void {
    const added = document.inSync.filter(
      (name) => !before?.inSync.some((other) => isSameReplica(name, other)),
    )
    // As it was before: what is committed follows from who was in sync.
    for (const name of added) {
      if (this.#committed(log).length === 0) continue
      const replica = this.#replicaOf(name, log)
      const end = this.#committed(log).length
      check(replica !== undefined, () => `[8] ${name.broker} joins ${log} with nothing, ${end} are committed`)
      replica!.endExcuse()
      this.#checkHolds(replica!, '[8]')
    }
    for (const { hands } of this.#databases) hands.end(log, document.epoch)
    if (before?.target && !document.target) this.#happened('moved')
    if (before && before.epoch < document.epoch) this.#happened('new leader')
    this.#advance(log)
  }

  /** One in sync that has lost something says that it is not whole until it has all that is committed, else it could be elected (invariant 9). */
  #checkExcuse(replica: ReplicaAudit, database: Database): void {
    if (!replica.isExcused || replica.isMarked || !this.#isInSync(replica, database)) return
    this.#checkHolds(replica, '[9]')
    if (replica.hasRegained) replica.endExcuse()
  }

  #isInSync({ log }: ReplicaAudit, database: Database): boolean {
    const document = this.documents.partitions.get(log)
    return document !== undefined && !this.documents.isGone(topicOf(log)) && isIn(document.inSync, database)
  }

  /** It has safely all that is committed. */
  #checkHolds(replica: ReplicaAudit, invariant: string): void {
    this.#committed(replica.log).forEach(({ index, epoch, kind }) => {
      check(
        replica.holds(index, epoch),
        () =>
          `${invariant} ${replica.where} is in sync and lacks ${replica.log} ${index}@${epoch} (${kind}), which is committed: it has ${replica.epochs[index]}, safe below ${replica.durable}, snapshot to ${replica.covered}`,
      )
    })
  }

  /** A snapshot is of committed entries only, and gives what they give. */
  #settleSnapshots(): void {
    const early = this.#early
    this.#early = []
    for (const snapshot of early) {
      if (this.#committed(snapshot.log).length < snapshot.index) this.#early.push(snapshot)
      else this.#checkSnapshot(snapshot)
    }
  }

  #checkSnapshot({ database, log, index }: EarlySnapshot): void {
    const stored = database.disk.view.readSnapshot(log)
    if (stored?.header.index !== index) return
    const { state } = decodeSnapshot(stored.header.payload, stored.pages, crc32)
    this.#compare(`${database.name}: the snapshot of ${log} to ${index}`, log, state)
  }

  /** A state is what the committed entries below its next index give. */
  #compare(what: string, log: string, state: PartitionState): void {
    const audit = this.ledger.audit(log)
    const ids = audit.ids.filter((id) => id !== undefined)
    let whole = audit.state
    if (state.nextIndex !== whole.nextIndex) {
      whole = new PartitionState()
      for (const entry of audit.entries.slice(0, state.nextIndex))
        whole.apply(entry, decodeBody(entry, crc32))
    }
    const difference = firstDifference(dumpState(state, ids), dumpState(whole, ids))
    check(difference === undefined, () => `[5] ${what} differs from the whole log: ${difference}`)
  }

  // What brokers say ---------------------------------------------------------------------------------------------------

  /** A leader has answered a fetch: what it shows as committed is, and nobody was shown more before. */
  fetched(broker: string, epochs: ReadonlyMap<string, number>, { results }: FetchResponse): void {
    for (const result of results) {
      if (result.type !== 'entries') continue
      const log = `${result.topicId}/${result.partition}`
      const epoch = epochs.get(log)
      if (epoch === undefined || this.documents.isGone(result.topicId)) continue
      for (const entry of result.entries) {
        if (entry.epoch !== epoch || this.documents.leaderOf(log, epoch)?.broker !== broker) continue
        // A follower may have it on its disk before the leader has.
        this.#offered.add(`${log} ${entry.index} ${epoch}`)
      }
      const { highWatermark } = result
      this.#showed(log, epoch, highWatermark)
      this.#commit(log, highWatermark, broker)
    }
  }

  /** Before an entry of its own epoch is committed a leader knows less than others, and says what it knows to followers only. */
  #showed(log: string, epoch: number, highWatermark: number): void {
    // Nothing was said.
    if (highWatermark === 0) return
    if (highWatermark <= (this.#beginnings.get(`${log} ${epoch}`) ?? Number.POSITIVE_INFINITY)) return
    const shown = this.#shown.get(log) ?? new Map<number, { low: number; high: number }>()
    this.#shown.set(log, shown)
    for (const [other, { low, high }] of shown) {
      const holds = other < epoch ? high <= highWatermark : other === epoch || low >= highWatermark
      check(
        holds,
        () => `[7] ${log}: ${highWatermark} is shown in epoch ${epoch}, ${low} to ${high} were in ${other}`,
      )
    }
    const own = shown.get(epoch)
    shown.set(epoch, {
      low: Math.min(own?.low ?? highWatermark, highWatermark),
      high: Math.max(own?.high ?? highWatermark, highWatermark),
    })
  }

  /** Whether nothing of a log is lost with this disk: all others in sync have it, and can read it. */
  survives(log: string, disk: Disk): boolean {
    const document = this.documents.partitions.get(log)
    if (!document || this.documents.isGone(topicOf(log))) return true
    const others = document.inSync.map((name) => this.#databaseOf(name)).filter((one) => one?.disk !== disk)
    const isSound = (one: Database | undefined) => {
      const replica = one?.replicas.get(log)
      return replica && !one!.isWiped && !one!.disk.isRotting(log) && !replica.isPartial && !replica.isExcused
    }
    return others.length > 0 && others.every(isSound)
  }

  // At the end ---------------------------------------------------------------------------------------------------------

  /** Why the replicas are not yet all the same, or their logs not what documents say, if so. */
  unequal(): string | undefined {
    for (const [log, document] of this.documents.partitions) {
      const { leader, replicas, inSync, target } = document
      this.#advance(log)
      if (!leader) return `${log} has no leader`
      if (target) return `${log} is still being moved`
      if (inSync.length < replicas.length) return `of ${log} not all replicas are in sync`
      const leading = this.#replicaOf(leader, log)
      for (const name of replicas) {
        const replica = this.#replicaOf(name, log)
        if (replica?.durable !== leading?.durable)
          return `${name.broker} has ${log} below ${replica?.durable}, the leader ${leader.broker} below ${leading?.durable}`
      }
      const end = leading?.durable ?? 0
      if (this.#possibleEnd(log) < end) return `the replicas of ${log} have different entries below ${end}`
      this.#commit(log, end, 'all replicas are in sync and equal')
      const missing = this.#notInForce(log)
      if (missing !== undefined) return `${log} ${missing}`
    }
    for (const database of this.#databases) {
      if (database.isWiped) continue
      for (const log of database.disk.view.logs()) {
        if (this.documents.isGone(topicOf(log)))
          return `${database.name} still has ${log}, whose topic was deleted`
        const document = this.documents.partitions.get(log)
        if (document && !isIn(document.replicas, database))
          return `${database.name} still has ${log}, which is elsewhere`
      }
    }
    return undefined
  }

  #notInForce(log: string): string | undefined {
    const { topics, groups } = this.documents
    const topic = topics.get(topicOf(log))
    return topic && notInForce(this.ledger.audit(log).state, topic, groups.get(topic.id) ?? new Map())
  }

  /** All replicas give the same, which is what the whole log gives, and all promises hold. */
  check(): void {
    this.#settleSnapshots()
    // What was deleted with its topic before its leader came to write it is nobody's, and what was a snapshot's tells nothing.
    for (const [key, name] of this.#unclaimed)
      check(this.documents.isGone(topicOf(key)), () => `[1] ${name} has ${key}, which its leader never wrote`)
    for (const [log, document] of this.documents.partitions) {
      for (const name of document.replicas) {
        const database = this.#databaseOf(name)!
        // Something may have been written since all was equal.
        const end = this.#committed(log).length
        this.#compare(`${database.name}: ${log}`, log, recovered(database.disk.view, log, end))
        this.#checkTrims(database, log)
      }
    }
    for (const { database, log, index } of this.#early) {
      const end = this.#committed(log).length
      check(
        this.documents.isGone(topicOf(log)),
        () =>
          `[5] ${database.name}: the snapshot of ${log} to ${index} covers what is not committed: that ends at ${end}`,
      )
    }
    this.ledger.checkPromises()
    this.ledger.checkDeaths()
  }

  /** What is gone was trimmed. */
  #checkTrims({ name, disk }: Database, log: string): void {
    const there = new Set(
      disk.view.read(log, { from: 0, maxBytes: Number.POSITIVE_INFINITY }).map(({ index }) => index),
    )
    const audit = this.ledger.audit(log)
    for (const { index, kind, count, baseOffset } of audit.entries) {
      const kept = kind === 'messages' && count > 0 && audit.isStored(baseOffset)
      check(!kept || there.has(index), () => `[11] ${name}: batch ${index} of ${log} is gone without a trim`)
    }
  }

  #holders(log: string, index: number, epoch: number): number {
    return this.#databases.filter(({ replicas }) => replicas.get(log)?.held(index, epoch)).length
  }

  #committed(log: string): readonly StoredEntry[] {
    return this.ledger.audit(log).entries
  }

  #databaseOf({ storage }: ReplicaName): Database | undefined {
    return this.#databases.find((database) => database.storage === storage)
  }

  #replicaOf(name: ReplicaName, log: string): ReplicaAudit | undefined {
    return this.#databaseOf(name)?.replicas.get(log)
  }

  #replica(database: Database, log: string): ReplicaAudit {
    let replica = database.replicas.get(log)
    if (!replica) {
      replica = new ReplicaAudit(database.name, log)
      database.replicas.set(log, replica)
    }
    return replica
  }
}

function isIn(list: readonly ReplicaName[], { storage }: Database): boolean {
  return list.some((name) => name.storage === storage)
}

function recovered(view: MemoryDatabase, log: string, end: number): PartitionState {
  const stored = view.readSnapshot(log)
  const state = stored
    ? decodeSnapshot(stored.header.payload, stored.pages, crc32).state
    : new PartitionState()
  const range = { from: state.nextIndex, to: end, maxBytes: Number.POSITIVE_INFINITY }
  for (const entry of view.read(log, range)) state.apply(entry, decodeBody(entry, crc32))
  return state
}

function isSameEntry(one: StoredEntry, other: StoredEntry): boolean {
  const { payload: a, ...left } = one
  const { payload: b, ...right } = other
  return firstDifference(left, right) === undefined && Buffer.compare(a, b) === 0
}

/** Enough of a log's name to tell it from others. */
function brief(log: string): string {
  return `${log.slice(0, 4)}${log.slice(log.lastIndexOf('/'))}`
}
