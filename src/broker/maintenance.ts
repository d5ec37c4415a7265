import { isPortalError, PortalError } from '../core/errors.js'
import type { Runtime, Timer } from '../runtime/runtime.js'
import type { SafeClock } from '../runtime/safe-clock.js'
import type { Storage, StorageSpace } from '../storage/storage.js'
import type { Hosting } from './hosting.js'
import { applyRetention, isTrimmable } from './retention.js'

/** How often it looks (ms). */
const INTERVAL = 1_000
/** New messages are refused when the disk has less left (bytes), beside what the log before a checkpoint may take. */
const RESERVE = 64 << 20
/** Others lead what they can until it has so much left: leaders do not go to and fro with every message that is removed. */
const ROOM = 2 * RESERVE

/** What a broker does by itself from time to time: measures the disk, and removes what retention no longer keeps. */
export class Maintenance {
  readonly #storage: Storage
  readonly #hosting: Hosting
  readonly #runtime: Runtime
  readonly #safeClock: SafeClock
  readonly #onRefusal: (error: PortalError) => void
  readonly #onMeasured: (full: boolean, space: StorageSpace) => void
  #refusing = false
  #full = false
  #space: StorageSpace = { usedBytes: 0, freeBytes: Number.POSITIVE_INFINITY, reusableBytes: 0 }
  #timer: Timer | undefined
  #work: Promise<void> = Promise.resolve()
  #stopped = false

  /** `onRefusal`: from now on no messages are taken. `onMeasured`: at each look, whether there is too little left to lead, and what there is. */
  constructor(
    storage: Storage,
    hosting: Hosting,
    runtime: Runtime,
    safeClock: SafeClock,
    onRefusal: (error: PortalError) => void,
    onMeasured: (full: boolean, space: StorageSpace) => void,
  ) {
    this.#storage = storage
    this.#hosting = hosting
    this.#runtime = runtime
    this.#safeClock = safeClock
    this.#onRefusal = onRefusal
    this.#onMeasured = onMeasured
  }

  async start(): Promise<void> {
    await this.#measure()
    this.#schedule()
  }

  /** Resolves when nothing of it is under way any more. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    await this.#work
  }

  refusal(): PortalError | undefined {
    const { freeBytes } = this.#space
    if (freeBytes >= RESERVE) return undefined
    const left = Math.floor(freeBytes / (1 << 20))
    return new PortalError(
      'STORAGE_FULL',
      `The disk has ${left} MiB left, less than the ${RESERVE / (1 << 20)} MiB kept in reserve: no new messages are taken. Make room, or shorten the retention.`,
    )
  }

  async #measure(): Promise<void> {
    this.#space = await this.#storage.space()
    const refusal = this.refusal()
    if (refusal && !this.#refusing) this.#onRefusal(refusal)
    this.#refusing = refusal !== undefined
    this.#full = this.#refusing || (this.#full && this.#space.freeBytes < ROOM)
    this.#onMeasured(this.#full, this.#space)
    if (this.#full) await this.#makeRoom(this.#space)
  }

  /**
   * What retention has freed inside the storage is no room for the log before a checkpoint, nor for anybody else on the disk: it counts as room once it is
   * given back. What is not needed for that stays, for the next messages.
   */
  async #makeRoom({ freeBytes, reusableBytes }: StorageSpace): Promise<void> {
    if (reusableBytes > 0) await this.#storage.makeRoom(Math.min(ROOM - freeBytes, reusableBytes))
  }

  #schedule(): void {
    if (this.#stopped) return
    this.#timer = this.#runtime.timers.setTimeout(() => {
      this.#work = this.#run().finally(() => this.#schedule())
    }, INTERVAL)
  }

  async #run(): Promise<void> {
    try {
      await this.#measure()
      const now = this.#safeClock.now()
      for (const topic of this.#hosting.topics) {
        for (const partition of topic.partitions) {
          if (this.#stopped) return
          if (isTrimmable(partition.state, topic.retention, now)) await applyRetention(partition, now)
        }
      }
    } catch (error) {
      // A topic that was deleted meanwhile, or the end of the broker, which others report.
      if (!isPortalError(error)) throw error
    }
  }
}
