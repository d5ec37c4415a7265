import type { MemoryDatabase } from '../../src/storage/memory-database.js'
import type { Write } from '../../src/storage/storage.js'
import { check } from './violation.js'

/** What a mark says of a log that is not whole; one that is whole and may lack what is committed has another. */
const NOT_WHOLE = 1

/** What a disk has of a log, and how much of it safely. */
interface Content {
  readonly epochs: readonly (number | undefined)[]
  readonly covered: number
  readonly durable: number
}

/** One replica of one partition, as its disk tells. */
export class ReplicaAudit {
  readonly log: string
  /** Where it lies, for messages. */
  readonly where: string
  /** By index: the epoch of the entry that is stored there; a hole where a snapshot or a trim has taken it. */
  epochs: (number | undefined)[] = []
  /** Below it a snapshot has all. */
  covered = 0
  /** Below it all is fsynced; unless it is partial. */
  durable = 0
  /** It says itself that it is not to be trusted: it does not lead. */
  isMarked = false
  /** It says that it is not even whole: it counts for nothing. */
  isPartial = false
  /** Its disk has lost something: it may lack what it had, until it has caught up. */
  #isExcused = false
  /** What it had each time that its disk had lost something. */
  readonly #before: Content[] = []
  /** How many of those it has, or needs, no more. */
  #regained = 0

  constructor(where: string, log: string) {
    this.where = where
    this.log = log
  }

  get isExcused(): boolean {
    return this.#isExcused
  }

  get end(): number {
    return Math.max(this.epochs.length, this.covered)
  }

  written(write: Extract<Write, { readonly log: string }>, view: MemoryDatabase): void {
    if (write.type === 'append') {
      for (const { index, epoch } of write.entries) this.epochs[index] = epoch
      return
    }
    if (write.type === 'page' || write.type === 'drop-pages') return
    if (write.type === 'truncate') this.durable = Math.min(this.durable, write.from)
    if (write.type === 'delete-log') this.durable = 0
    this.reread(view)
  }

  /** All that is written is safe. */
  synced(): void {
    this.durable = this.end
  }

  /** The machine has lost power: what is there now is all there is, and it is safe. */
  restarted(view: MemoryDatabase): void {
    this.reread(view)
    this.durable = this.end
  }

  /** Whether it has safely what was written at `index` in `epoch`, or a snapshot that covers it. */
  holds(index: number, epoch: number): boolean {
    return !this.isPartial && has(this, index, epoch)
  }

  /** Whether it holds that, or did until its disk had lost something. */
  held(index: number, epoch: number): boolean {
    return this.holds(index, epoch) || this.#before.some((content) => has(content, index, epoch))
  }

  /** Whether its leader may count on that: of one whose disk has lost something by what it had said before. */
  counts(index: number, epoch: number): boolean {
    return this.#isExcused ? this.held(index, epoch) : this.holds(index, epoch)
  }

  /** What it says of itself on its disk; undefined: nothing. */
  marked(value: Uint8Array | undefined): void {
    this.isMarked = value !== undefined
    this.isPartial = value?.[0] === NOT_WHOLE
  }

  /** Its disk has lost something: what it has is about to go, and counted until now. */
  excuse(): void {
    const { epochs, covered, durable } = this
    if (!this.isPartial) this.#before.push({ epochs: [...epochs], covered, durable })
    this.#isExcused = true
  }

  /** It has caught up: from now on it may lack nothing. */
  endExcuse(): void {
    this.#isExcused = false
    this.#regained = this.#before.length
  }

  /** Whether it has safely again all that its leader may have counted on; what has given way to a later epoch nobody counts on. */
  get hasRegained(): boolean {
    if (this.isPartial) return false
    const last = this.epochs.findLast((epoch, index) => epoch !== undefined && index < this.durable) ?? -1
    const has = ({ epochs, covered, durable }: Content) =>
      this.durable >= Math.min(covered, durable) &&
      epochs
        .slice(0, durable)
        .every((epoch, index) => epoch === undefined || epoch < last || this.holds(index, epoch))
    return this.#before.slice(this.#regained).every(has)
  }

  /** There is no gap that no snapshot covers: else it cannot be recovered. */
  checkWhole(): void {
    if (this.isPartial) return
    for (let index = this.covered; index < this.epochs.length; index++) {
      check(
        this.epochs[index] !== undefined,
        () => `${this.where}: ${this.log} has no entry ${index}, and its snapshot ends at ${this.covered}`,
      )
    }
  }

  reread(view: MemoryDatabase): void {
    this.epochs = []
    for (const { index, epoch } of view.read(this.log, { from: 0, maxBytes: Number.POSITIVE_INFINITY }))
      this.epochs[index] = epoch
    this.covered = view.readSnapshot(this.log)?.header.index ?? 0
  }
}

function has({ epochs, covered, durable }: Content, index: number, epoch: number): boolean {
  if (index >= durable) return false
  const found = epochs[index]
  return found === undefined ? index < covered : found === epoch
}
