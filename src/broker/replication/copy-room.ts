import type { StoredEntry } from '../../core/entry.js'
import { PortalError } from '../../core/errors.js'
import type { StorageSpace } from '../../storage/storage.js'

const MIB = 1 << 20
/** Followers leave so much of the disk (bytes): for settlements, trims and snapshots, and for what the log before a checkpoint may take. */
const LEAST = 16 * MIB
/** They go on once there is so much: not with every message that is removed. */
const ENOUGH = 2 * LEAST
/** How soon whoever found no room looks again (ms). */
export const ROOM_LOOK = 1_000

/**
 * What followers may add to a broker's disk: what others lead shall not take what is needed to make room again, and not end the broker. It counts
 * what is taken between two looks at the disk.
 */
export class CopyRoom {
  readonly #onStalled: (error: PortalError) => void
  #left = Number.POSITIVE_INFINITY
  /** What the storage fills before it takes more of the disk. */
  #reusable = 0
  #isShort = false
  #isStalled = false

  /** `onStalled`: from now on something is not taken. */
  constructor(onStalled: (error: PortalError) => void) {
    this.#onStalled = onStalled
  }

  /** There is none for messages. */
  get isShort(): boolean {
    return this.#isShort
  }

  /** Something was not taken, and there is no room for it yet: replicas fall behind. */
  get isStalled(): boolean {
    return this.#isStalled
  }

  /** So much is free on the disk now, and inside the storage (bytes). */
  measured({ freeBytes, reusableBytes }: Pick<StorageSpace, 'freeBytes' | 'reusableBytes'>): void {
    this.#left = freeBytes
    this.#reusable = reusableBytes
    if (freeBytes < LEAST) this.#isShort = true
    if (freeBytes < ENOUGH) return
    this.#isShort = false
    this.#isStalled = false
  }

  /** Whether so many bytes of messages are taken. */
  takes(bytes: number): boolean {
    const growth = Math.max(0, bytes - this.#reusable)
    if (this.#left - growth < LEAST) this.#isShort = true
    if (this.#isShort) this.#stall()
    else {
      this.#left -= growth
      this.#reusable -= bytes - growth
    }
    return !this.#isShort
  }

  /** Of entries in a row those that are taken: all before the first messages for which there is no room. */
  fitting(entries: readonly StoredEntry[]): readonly StoredEntry[] {
    const end = entries.findIndex(({ kind, payload }) => kind === 'messages' && !this.takes(payload.length))
    return end < 0 ? entries : entries.slice(0, end)
  }

  /** Whether there is room for a log with so many bytes of messages, where another with so many goes for it. */
  fits(bytes: number, instead: number): boolean {
    const fits = !this.#isShort && this.#left + this.#reusable + instead - bytes >= LEAST
    if (!fits) this.#stall()
    return fits
  }

  #stall(): void {
    if (this.#isStalled) return
    this.#isStalled = true
    const left = Math.max(0, Math.floor(this.#left / MIB))
    this.#onStalled(
      new PortalError(
        'STORAGE_FULL',
        `The disk has ${left} MiB left: of what other brokers lead no messages are copied here that would leave less than ${LEAST / MIB} MiB. These replicas fall behind and are not in sync. Make room: with ${ENOUGH / MIB} MiB free they catch up by themselves.`,
      ),
    )
  }
}
