import type { LeaseKey } from './entry-body.js'
import { OffsetSet } from './offset-set.js'
import type { Ranges } from './ranges.js'

/** The most grants that one `acquire` entry holds: a lease's number must fit in 53 bits. */
export const MAX_SLOTS = 1024

/**
 * The right of one consumer to process some messages for a while: what one grant of an `acquire` entry gave and has not
 * been settled. Extending some of its messages splits it into terms.
 */
export class Lease {
  readonly key: LeaseKey
  readonly consumer: string
  readonly local: boolean
  #terms: Term[]
  #size = 0

  constructor(key: LeaseKey, consumer: string, local: boolean) {
    this.key = key
    this.consumer = consumer
    this.local = local
    this.#terms = []
  }

  /** How many messages it still holds. */
  get size(): number {
    return this.#size
  }

  get terms(): readonly Term[] {
    return this.#terms
  }

  /** Adds messages under a new term, whose deadline is the leader's to set. */
  addTerm(duration: number, ranges: Ranges): Term {
    const offsets = new OffsetSet()
    for (let at = 0; at < ranges.length; at += 2) offsets.add(ranges[at]!, ranges[at + 1]!)
    const term = { duration, offsets, deadline: Number.POSITIVE_INFINITY }
    // One whose messages have all moved to this one would end for ever without anything to end.
    this.#terms = this.#terms.filter((other) => !other.offsets.isEmpty)
    this.#terms.push(term)
    this.#size += offsets.size
    return term
  }

  has(offset: number): boolean {
    return this.#terms.some((term) => term.offsets.has(offset))
  }

  /** Takes [start, end) out of it; returns how many of these it held. */
  remove(start: number, end: number): number {
    let removed = 0
    for (const term of this.#terms) removed += term.offsets.delete(start, end)
    if (removed > 0 && this.#terms.length > 1)
      this.#terms = this.#terms.filter((term) => !term.offsets.isEmpty)
    this.#size -= removed
    // A map that held it may keep its shell for long (see TransientSet).
    if (this.#size === 0) this.#terms = []
    return removed
  }
}

export interface Term {
  /** Milliseconds; a new leader grants it in full again. */
  readonly duration: number
  readonly offsets: OffsetSet
  /** On the leader's monotonic clock. No part of the replicated state. */
  deadline: number
}

/** A lease's key within one group of one partition, as a number: epochs need no part in it, an index has one epoch. */
export function leaseNumber(key: LeaseKey): number {
  return key.index * MAX_SLOTS + key.slot
}
