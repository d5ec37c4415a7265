import type { PortalError } from '../../core/errors.js'
import type { SettleOutcome } from '../../protocol/service.js'
import type { HeldLease } from './held-batch.js'
import { handled } from './lease-lost.js'
import { inOrder } from './ranges.js'

/** Messages of one lease that are settled alike. */
export class SettleGroup {
  readonly lease: HeldLease
  readonly outcome: SettleOutcome
  readonly delay: number | undefined
  readonly reason: string | undefined
  #ranges: number[] = []
  #rising = true
  /** Messages that somebody may wait for, and how to tell them. */
  readonly offsets: number[] = []
  readonly promises: Promise<void>[] = []
  readonly resolves: (() => void)[] = []
  readonly rejects: ((error: PortalError) => void)[] = []

  constructor(
    lease: HeldLease,
    outcome: SettleOutcome,
    delay: number | undefined,
    reason: string | undefined,
  ) {
    this.lease = lease
    this.outcome = outcome
    this.delay = delay
    this.reason = reason
  }

  matches(outcome: SettleOutcome, delay: number | undefined, reason: string | undefined): boolean {
    return this.outcome === outcome && this.delay === delay && this.reason === reason
  }

  add(offset: number): void {
    const ranges = this.#ranges
    const last = ranges.length - 1
    if (last > 0 && ranges[last] === offset) ranges[last] = offset + 1
    else {
      if (last > 0 && offset < ranges[last]!) this.#rising = false
      ranges.push(offset, offset + 1)
    }
  }

  /** Tells whoever waits for the message at `at` of the offsets; nobody may. */
  reject(at: number, error: PortalError): void {
    handled(this.promises[at]!)
    this.rejects[at]!(error)
  }

  /** Flat half-open ranges, rising and apart. */
  ranges(): readonly number[] {
    if (!this.#rising) {
      this.#ranges = inOrder(this.#ranges)
      this.#rising = true
    }
    return this.#ranges
  }
}
