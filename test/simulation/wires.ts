import type { Scheduler } from './scheduler.js'
import type { Trace } from './trace.js'

/** How a network is divided: groups that do not hear each other, a ring in which each hears its neighbours, two halves with a bridge. */
export type Division = 'one' | 'halves' | 'ring' | 'bridge'

/** The wires between machines: in each direction each may be cut, and what is on them is late, lost and doubled. */
export class Wires {
  readonly faults = {
    /** Share of messages that are lost. */
    loss: 0,
    /** Share of requests that come twice. */
    duplicates: 0,
    /** Most milliseconds that a message takes; now and then it takes a hundred times as long. */
    delay: 2,
  }
  readonly #scheduler: Scheduler
  readonly #trace: Trace
  readonly #cut = new Set<string>()

  constructor(scheduler: Scheduler, trace: Trace) {
    this.#scheduler = scheduler
    this.#trace = trace
  }

  /** Whether a message that is sent now comes through. */
  carries(from: string, to: string): boolean {
    return !this.isCut(from, to) && !this.#scheduler.chance(this.faults.loss)
  }

  /** Whether nothing at all goes that way. */
  isCut(from: string, to: string): boolean {
    return this.#cut.has(`${from} ${to}`)
  }

  delay(): number {
    const isLong = this.faults.delay > 0 && this.#scheduler.chance(0.01)
    return this.#scheduler.random() * this.faults.delay * (isLong ? 100 : 1)
  }

  /** One direction only. */
  cut(from: string, to: string): void {
    this.#trace.line(`nothing goes from ${from} to ${to} any more`)
    this.#cut.add(`${from} ${to}`)
  }

  divide(machines: readonly string[], division: Division): void {
    const order = [...machines].sort(() => this.#scheduler.random() - 0.5)
    this.heal()
    this.#trace.line(`the network is divided: ${division} of ${order.join(' ')}`)
    order.forEach((one, a) => {
      order.forEach((other, b) => {
        if (a !== b && !hears(division, order.length, a, b)) this.#cut.add(`${one} ${other}`)
      })
    })
  }

  heal(): void {
    if (this.#cut.size > 0) this.#trace.line('the network is whole again')
    this.#cut.clear()
  }
}

function hears(division: Division, count: number, a: number, b: number): boolean {
  const half = Math.floor(count / 2)
  switch (division) {
    case 'one':
      return a !== 0 && b !== 0
    case 'halves':
      return a < half === b < half
    case 'ring':
      return Math.abs(a - b) === 1 || Math.abs(a - b) === count - 1
    case 'bridge':
      return a === 0 || b === 0 || a <= half === b <= half
  }
}
