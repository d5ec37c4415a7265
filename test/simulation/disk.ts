import type { StoredEntry } from '../../src/core/entry.js'
import { PortalError } from '../../src/core/errors.js'
import { checkWrites, storageClosed } from '../../src/storage/check-writes.js'
import { MemoryDatabase } from '../../src/storage/memory-database.js'
import type { Storage, StorageSpace, Write } from '../../src/storage/storage.js'
import type { Scheduler } from './scheduler.js'
import type { Trace } from './trace.js'
import { Violation } from './violation.js'

/** Who watches what is written. */
export interface DiskWatcher {
  /** A group is written: readable, not yet safe from a loss of power. */
  written(writes: readonly Write[]): void
  /** All that is written is safe. */
  synced?(): void
}

/** When a process that may be frozen goes on. */
type Awake = () => Promise<void>

interface Commit {
  readonly writes: readonly Write[]
  readonly durable: boolean
  readonly resolve: () => void
  readonly reject: (error: PortalError) => void
}

/**
 * A disk as a write-ahead log sees it: groups are written one after the other, an fsync makes all written so far safe, and
 * a loss of power keeps a prefix of those that are not.
 */
export class Disk {
  readonly faults = {
    slow: false,
    /** Nothing ends until this is over. */
    stuck: false,
    corruptReads: 0,
    failCommit: 0,
    freeBytes: Number.POSITIVE_INFINITY,
  }
  readonly #scheduler: Scheduler
  readonly #trace: Trace
  readonly #watcher: DiskWatcher
  #durable: MemoryDatabase
  #written: (readonly Write[])[] = []
  /** What a process reads: all that is written. */
  #view: MemoryDatabase
  /** When a process gave the entry to the disk: it is written later. */
  readonly #askedAt = new WeakMap<StoredEntry, number>()
  /** `log index` of entries whose bytes have changed by themselves. */
  readonly #rotten = new Set<string>()

  constructor(
    scheduler: Scheduler,
    trace: Trace,
    watcher: DiskWatcher,
    content: MemoryDatabase = new MemoryDatabase(),
  ) {
    this.#durable = content.clone()
    this.#view = content.clone()
    this.#scheduler = scheduler
    this.#trace = trace
    this.#watcher = watcher
  }

  get view(): MemoryDatabase {
    return this.#view
  }

  /** The machine loses power: of the groups that were not synced a prefix survives. Returns how many were lost. */
  losePower(): number {
    const kept = this.#scheduler.whole(0, this.#written.length)
    const lost = this.#written.length - kept
    for (const writes of this.#written.slice(0, kept)) this.#durable.apply(writes)
    this.#written = []
    this.#view = this.#durable.clone()
    return lost
  }

  /** A bit of a stored entry, or of the snapshot, flips: whoever reads it is told. Returns which; undefined if there is nothing. */
  rot(log: string): string | undefined {
    const entries = this.#view.read(log, EVERYTHING)
    const snapshot = this.#view.readSnapshot(log)
    if (snapshot && this.#scheduler.chance(0.2)) return this.#rotAt(log, SNAPSHOT)
    return entries.length === 0 ? undefined : this.#rotAt(log, `${this.#scheduler.pick(entries).index}`)
  }

  #rotAt(log: string, place: string): string {
    this.#rotten.add(`${log} ${place}`)
    return place
  }

  /** Whether something of this log cannot be read. */
  isRotting(log: string): boolean {
    for (const place of this.#rotten) if (place.startsWith(`${log} `)) return true
    return false
  }

  isRotten(log: string, entries: readonly StoredEntry[]): boolean {
    return this.#rotten.size > 0 && entries.some(({ index }) => this.#rotten.has(`${log} ${index}`))
  }

  isSnapshotRotten(log: string): boolean {
    return this.#rotten.has(`${log} ${SNAPSHOT}`)
  }

  /** A process's hold on the disk, until `cutOff`: whatever it does afterwards changes nothing and is never answered. */
  open(awake: Awake = async () => {}): { readonly storage: Storage; readonly cutOff: () => void } {
    const handle = new Handle(this, this.#scheduler, this.#trace, awake)
    return { storage: handle, cutOff: () => handle.cutOff() }
  }

  asked(writes: readonly Write[]): void {
    for (const write of writes) {
      if (write.type !== 'append') continue
      for (const entry of write.entries) this.#askedAt.set(entry, this.#scheduler.now)
    }
  }

  /** When a process gave this entry to the disk (ms). */
  askedAt(entry: StoredEntry): number {
    return this.#askedAt.get(entry) ?? this.#scheduler.now
  }

  write(writes: readonly Write[]): void {
    try {
      this.#view.apply(writes)
    } catch (error) {
      const kinds = writes.map(({ type }) => type).join(', ')
      throw new Violation(
        `The storage was given writes that do not fit (${kinds}): ${(error as Error).message}`,
      )
    }
    this.#written.push(writes)
    this.#watcher.written(writes)
    if (this.#rotten.size > 0) this.#forgetRot(writes)
  }

  sync(): void {
    for (const writes of this.#written) this.#durable.apply(writes)
    this.#written = []
    this.#watcher.synced?.()
  }

  /** What was removed is no longer read; what is written in its place is sound. */
  #forgetRot(writes: readonly Write[]): void {
    for (const write of writes)
      if (write.type === 'snapshot' || write.type === 'delete-log')
        this.#rotten.delete(`${write.log} ${SNAPSHOT}`)
    for (const place of this.#rotten) {
      const [log, index] = place.split(' ') as [string, string]
      if (index === SNAPSHOT) continue
      const there = this.#view.read(log, { from: Number(index), to: Number(index) + 1, maxBytes: 1 })
      if (there.length === 0) this.#rotten.delete(place)
    }
  }
}

/** Where rot may be, beside entries. */
const SNAPSHOT = 'snapshot'
const EVERYTHING = { from: 0, maxBytes: Number.POSITIVE_INFINITY }

class Handle implements Storage {
  readonly #disk: Disk
  readonly #scheduler: Scheduler
  readonly #trace: Trace
  readonly #listeners: ((error: PortalError) => void)[] = []
  #queue: Commit[] = []
  #busy = false
  #cut = false
  #closed = false
  #failed: PortalError | undefined
  #idle: (() => void)[] = []
  readonly #awake: Awake

  constructor(disk: Disk, scheduler: Scheduler, trace: Trace, awake: Awake) {
    this.#awake = awake
    this.#disk = disk
    this.#scheduler = scheduler
    this.#trace = trace
  }

  cutOff(): void {
    this.#cut = true
  }

  async commit(writes: readonly Write[], { durable }: { readonly durable: boolean }): Promise<void> {
    if (this.#cut) return never()
    if (this.#closed) throw storageClosed()
    if (this.#failed) throw this.#failed
    checkWrites(writes)
    this.#disk.asked(writes)
    await new Promise<void>((resolve, reject) => {
      this.#queue.push({ writes, durable, resolve, reject })
      this.#next()
    })
  }

  async logs(): Promise<string[]> {
    await this.#turn()
    return this.#disk.view.logs()
  }

  async read(...[log, range]: Parameters<Storage['read']>): ReturnType<Storage['read']> {
    await this.#turn()
    this.#maybeCorrupt(log)
    const entries = this.#disk.view.read(log, range)
    if (this.#disk.isRotten(log, entries)) throw this.#corrupt(log)
    return entries
  }

  async readSnapshot(log: string): ReturnType<Storage['readSnapshot']> {
    await this.#turn()
    this.#maybeCorrupt(log)
    if (this.#disk.isSnapshotRotten(log)) throw this.#corrupt(log)
    return this.#disk.view.readSnapshot(log)
  }

  async pageIds(log: string): Promise<number[]> {
    await this.#turn()
    return this.#disk.view.pageIds(log)
  }

  async readMeta(prefix: string): Promise<Map<string, Uint8Array>> {
    await this.#turn()
    return this.#disk.view.readMeta(prefix)
  }

  async space(): Promise<StorageSpace> {
    await this.#turn()
    return {
      usedBytes: this.#disk.view.usedBytes(),
      freeBytes: this.#disk.faults.freeBytes,
      reusableBytes: 0,
    }
  }

  /** It keeps nothing for itself. */
  async makeRoom(): Promise<void> {
    await this.#turn()
  }

  onFailure(listener: (error: PortalError) => void): void {
    this.#listeners.push(listener)
  }

  async close(): Promise<void> {
    if (this.#cut) return never()
    this.#closed = true
    if (this.#failed) return
    if (this.#busy || this.#queue.length > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
    this.#disk.sync()
  }

  /** Reads see what was committed before them, and take their time. */
  async #turn(): Promise<void> {
    if (this.#cut) return never()
    if (this.#closed) throw storageClosed()
    if (this.#busy || this.#queue.length > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
    await this.#wait(2)
  }

  #next(): void {
    if (this.#busy || this.#cut) return
    const commit = this.#queue.shift()
    if (!commit) {
      for (const resolve of this.#idle.splice(0)) resolve()
      return
    }
    this.#busy = true
    const work = this.#work(commit).then(() => {
      this.#busy = false
      this.#next()
    })
    this.#scheduler.spawn(work)
  }

  async #work(commit: Commit): Promise<void> {
    await this.#wait(3)
    if (this.#failed) return commit.reject(this.#failed)
    const fails = this.#scheduler.chance(this.#disk.faults.failCommit)
    // What a failed commit left behind is anybody's guess.
    if (fails && this.#scheduler.chance(0.5)) return this.#fail(commit)
    this.#disk.write(commit.writes)
    if (commit.durable) {
      await this.#wait(5)
      if (fails) return this.#fail(commit)
      this.#disk.sync()
    }
    commit.resolve()
  }

  #fail(commit: Commit): void {
    this.#trace.line('disk: a commit fails')
    this.#failed = new PortalError('STORAGE_FAILED', 'The simulated disk failed.')
    commit.reject(this.#failed)
    for (const listener of this.#listeners) listener(this.#failed)
  }

  #maybeCorrupt(log: string): void {
    if (this.#scheduler.chance(this.#disk.faults.corruptReads)) throw this.#corrupt(log)
  }

  #corrupt(log: string): PortalError {
    this.#trace.line(`disk: a read of ${log} is corrupt`)
    return new PortalError('CORRUPT', `The simulated disk returned damaged bytes of ${log}.`)
  }

  async #wait(upTo: number): Promise<void> {
    const slow = this.#disk.faults.slow && this.#scheduler.chance(0.2)
    await this.#scheduler.sleep(this.#scheduler.random() * (slow ? upTo * 200 : upTo))
    while (this.#disk.faults.stuck) await this.#scheduler.sleep(100)
    await this.#awake()
    if (this.#cut) await never()
  }
}

function never(): Promise<never> {
  return new Promise(() => {})
}
