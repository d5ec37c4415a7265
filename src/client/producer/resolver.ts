import type { Timers } from '../../runtime/runtime.js'
import type { ProducerBatch } from './batch.js'

/** Promises resolved in one turn; more would hold up the host's event loop (performance.md). */
const PER_TURN = 500

interface Stored {
  readonly topic: string
  readonly partition: number
  readonly batch: ProducerBatch
  readonly runs: readonly number[]
}

/** Tells senders where their messages went, a bounded number of them each turn, in order. */
export class Resolver {
  readonly #timers: Timers
  readonly #queue: Stored[] = []
  #room = PER_TURN
  #deferred = false

  constructor(timers: Timers) {
    this.#timers = timers
  }

  push(topic: string, partition: number, batch: ProducerBatch, runs: readonly number[]): void {
    this.#queue.push({ topic, partition, batch, runs })
  }

  /** Resolves as many as this turn has room for; the rest follows by itself. */
  drain(): void {
    let done = 0
    while (done < this.#queue.length && this.#room > 0) {
      const stored = this.#queue[done++]!
      this.#room -= stored.batch.count
      resolveBatch(stored)
    }
    this.#queue.splice(0, done)
    if (this.#deferred || (done === 0 && this.#queue.length === 0)) return
    this.#deferred = true
    this.#timers.defer(this.#nextTurn)
  }

  readonly #nextTurn = (): void => {
    this.#deferred = false
    this.#room = PER_TURN
    if (this.#queue.length > 0) this.drain()
  }
}

function resolveBatch({ topic, partition, batch, runs }: Stored): void {
  const { resolves, timestamps } = batch
  let at = 0
  for (let run = 0; run < runs.length; run += 3) {
    const end = Math.min(at + runs[run]!, resolves.length)
    const shift = runs[run + 1]! - at
    const duplicate = runs[run + 2] === 1
    for (; at < end; at++)
      resolves[at]!({ topic, partition, offset: at + shift, timestamp: timestamps[at]!, duplicate })
  }
  batch.flush.leave(batch.count)
}
