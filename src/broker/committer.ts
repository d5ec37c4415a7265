import type { PortalError } from '../core/errors.js'
import { TransientSet } from '../core/transient-set.js'
import type { Timers } from '../runtime/runtime.js'
import type { Storage, Write } from '../storage/storage.js'

/** About how much goes into one commit, in bytes. */
const GROUP_BYTES = 1 << 20
/** Commits under way at a time: the storage works on one while the next is gathered. */
const OUTSTANDING = 2

/** Something with writes to make: a partition. */
export interface CommitSource {
  /** Adds what is waiting to the group, until the group is full; says whether something is left. */
  cut(group: CommitGroup): boolean
  /** It was marked, and will not be cut any more. */
  failed?(error: PortalError): void
}

/** One transaction in the making, and what happens once it is committed. */
export class CommitGroup {
  readonly writes: Write[] = []
  durable = false
  bytes = 0
  readonly #callbacks: (() => void)[] = []
  readonly #failures: ((error: PortalError) => void)[] = []

  get isFull(): boolean {
    return this.bytes >= GROUP_BYTES
  }

  add(write: Write, bytes: number): void {
    this.writes.push(write)
    this.bytes += bytes
  }

  /** Calls back when this group, and all before it, are committed; or `failed` if the storage fails before. */
  onCommitted(callback: () => void, failed?: (error: PortalError) => void): void {
    this.#callbacks.push(callback)
    if (failed) this.#failures.push(failed)
  }

  /** The same: what is written here is stored here. */
  onStored(callback: () => void, failed?: (error: PortalError) => void): void {
    this.onCommitted(callback, failed)
  }

  get isEmpty(): boolean {
    return this.writes.length === 0 && this.#callbacks.length === 0
  }

  committed(): void {
    for (const callback of this.#callbacks) callback()
  }

  failed(error: PortalError): void {
    for (const failed of this.#failures) failed(error)
  }
}

/** Measures commits. */
export interface CommitWatch {
  /** Milliseconds, monotonic. */
  now(): number
  /** A group that was handed to the storage at `began` is committed. */
  committed(group: CommitGroup, began: number): void
}

/**
 * Group commit: whatever waits in all partitions when the storage has room goes into one transaction. No timer, no linger:
 * a turn's work is gathered once the turn has ended.
 */
export class Committer {
  readonly #storage: Storage
  readonly #timers: Timers
  readonly #onFailure: (error: PortalError) => void
  readonly #watch: CommitWatch | undefined
  readonly #waiting = new Set<CommitSource>()
  readonly #idle: (() => void)[] = []
  readonly #posted = new TransientSet<CommitGroup>()
  #outstanding = 0
  #scheduled = false
  #failure: PortalError | undefined
  #last: Promise<void> = Promise.resolve()
  /** When those under way were begun, the oldest first (monotonic ms). */
  #begun: number[] = []

  constructor(
    storage: Storage,
    timers: Timers,
    onFailure: (error: PortalError) => void,
    watch?: CommitWatch | undefined,
  ) {
    this.#storage = storage
    this.#timers = timers
    this.#onFailure = onFailure
    this.#watch = watch
  }

  /** Asks for a `cut` of this source soon. */
  mark(source: CommitSource): void {
    if (this.#failure) return source.failed?.(this.#failure)
    this.#waiting.add(source)
    if (this.#scheduled || this.#outstanding >= OUTSTANDING) return
    this.#scheduled = true
    this.#timers.defer(() => {
      this.#scheduled = false
      this.#run()
    })
  }

  /** Milliseconds since the oldest commit under way was begun; 0: none is. */
  get waiting(): number {
    const [oldest] = this.#begun
    return oldest === undefined ? 0 : (this.#watch?.now() ?? 0) - oldest
  }

  forget(source: CommitSource): void {
    this.#waiting.delete(source)
  }

  /** Resolves when nothing waits and nothing is under way. */
  async drained(): Promise<void> {
    if (this.#failure || (this.#waiting.size === 0 && this.#outstanding === 0)) return
    await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  /** Ends it: nothing more is committed, and what is under way counts for nothing. */
  fail(error: PortalError): void {
    this.#failure = error
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const group of this.#posted) group.failed(error)
    this.#posted.clear()
    for (const source of waiting) source.failed?.(error)
    for (const resolve of this.#idle.splice(0)) resolve()
  }

  #run(): void {
    while (this.#outstanding < OUTSTANDING && this.#waiting.size > 0 && !this.#failure) {
      const group = new CommitGroup()
      // Each once: what a source has left, and may read back, must not meet its own writes before they are posted.
      for (const source of [...this.#waiting]) {
        this.#waiting.delete(source)
        if (source.cut(group)) this.#waiting.add(source)
        if (group.isFull) break
      }
      this.#post(group)
    }
    if (this.#waiting.size === 0 && this.#outstanding === 0)
      for (const resolve of this.#idle.splice(0)) resolve()
  }

  #post(group: CommitGroup): void {
    if (group.isEmpty) return
    this.#outstanding++
    this.#posted.add(group)
    const began = this.#watch?.now() ?? 0
    this.#begun.push(began)
    // What rests on earlier entries alone waits for their commits and writes nothing.
    const commit =
      group.writes.length === 0 ? this.#last : this.#storage.commit(group.writes, { durable: group.durable })
    this.#last = commit.then(
      () => this.#committed(group, began),
      (error: PortalError) => {
        this.#outstanding--
        if (!this.#failure) this.#onFailure(error)
      },
    )
  }

  /** The next group goes to the storage before the last one's callers are told. */
  #committed(group: CommitGroup, began: number): void {
    this.#outstanding--
    this.#begun.shift()
    if (group.writes.length > 0) this.#watch?.committed(group, began)
    if (this.#failure) return
    this.#posted.delete(group)
    this.#run()
    group.committed()
  }
}
