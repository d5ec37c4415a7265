import { diagnostics } from '../../runtime/diagnostics.js'
import type { Clock } from '../../runtime/runtime.js'
import type { CommitGroup, CommitWatch } from '../committer.js'
import { Histogram } from './histogram.js'

/** Seconds; a lone fsync of a good disk is in the first. */
const BOUNDS = [0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]

/** How long a broker's commits take, and what goes into them. */
export class CommitStatistics implements CommitWatch {
  readonly seconds = new Histogram(BOUNDS)
  entries = 0
  bytes = 0
  readonly #broker: string
  readonly #clock: Clock

  constructor(broker: string, clock: Clock) {
    this.#broker = broker
    this.#clock = clock
  }

  now(): number {
    return this.#clock.monotonic()
  }

  committed({ writes, bytes, durable }: CommitGroup, began: number): void {
    const duration = this.#clock.monotonic() - began
    let entries = 0
    for (const write of writes) if (write.type === 'append') entries += write.entries.length
    this.seconds.observe(duration / 1_000)
    this.entries += entries
    this.bytes += bytes
    if (diagnostics.commit.hasSubscribers)
      diagnostics.commit.publish({ broker: this.#broker, duration, entries, bytes, durable })
  }
}
