/** What was sent: by its producer, the number that it has there, and the partition that it is for. */
export interface Value {
  readonly producer: string
  readonly number: number
}

/** Where a message is. */
export interface Place {
  readonly partition: number
  readonly offset: number
}

interface Send {
  readonly partition: number
  readonly sentAt: number
  outcome: 'under way' | 'acknowledged' | 'undecided'
}

interface Delivery {
  readonly consumer: string
  /** Which delivery of the message it is, as the consumer was told. */
  readonly count: number
  /** The index of the entry that leased it: of two leases of a message, the later one's is higher. */
  readonly lease: number
  readonly at: number
  /** When its consumer had it no more, as far as that knew. */
  until: number
}

/** What a consumer says of a message that it was given. */
export interface Handling {
  /** It has it no more. */
  over(): void
  /** An ack of it resolved. */
  acked(): void
  /** LEASE_LOST: the ack has changed nothing. */
  ackLost(why: string): void
  /** It is unknown whether the ack has changed anything. */
  ackUndecided(): void
}

interface Stored {
  readonly value: string
  /** In the order in which they came. */
  readonly deliveries: Delivery[]
  /** Whose ack of it resolved, and when. */
  acked: { readonly by: Delivery; readonly at: number } | undefined
  /** Why acks of it were refused, or that it is unknown whether they were. */
  readonly refusals: string[]
  undecided: boolean
}

/**
 * Everything that clients were told, and whether it can all be true. Times are monotonic, of the one process in which the clients are: what comes
 * later here came later.
 */
export class Ledger {
  readonly violations: string[] = []
  readonly #sends = new Map<string, Send>()
  /** By partition and offset. */
  readonly #stored: Map<number, Stored>[]
  readonly acknowledgements: { readonly partition: number; readonly at: number; readonly took: number }[] = []
  readonly counts = {
    sent: 0,
    acknowledged: 0,
    undecided: 0,
    delivered: 0,
    again: 0,
    acked: 0,
    lost: 0,
    ackUndecided: 0,
    /** Deliveries under leases that were over before another one's ack resolved: they were on their way for longer than their lease. */
    late: 0,
  }

  constructor(partitions: number) {
    this.#stored = Array.from({ length: partitions }, () => new Map())
  }

  violate(text: string): void {
    this.violations.push(text)
  }

  sent(value: Value, partition: number): void {
    this.counts.sent++
    this.#sends.set(nameOf(value), { partition, sentAt: performance.now(), outcome: 'under way' })
  }

  acknowledged(value: Value, offset: number): void {
    this.counts.acknowledged++
    const send = this.#sends.get(nameOf(value))!
    send.outcome = 'acknowledged'
    const at = performance.now()
    this.acknowledgements.push({ partition: send.partition, at, took: at - send.sentAt })
    this.#saw(send.partition, offset, value, 'its send')
  }

  /** The send was rejected: it may be stored or not. */
  undecided(value: Value): void {
    this.counts.undecided++
    this.#sends.get(nameOf(value))!.outcome = 'undecided'
  }

  /**
   * A consumer was given a message. After an ack has resolved nobody leases it again (invariant 19), and no ack succeeds once another lease has begun
   * (18): what is judged is the order of leases, since what was sent first may arrive last.
   */
  delivered(place: Place, value: Value, to: Pick<Delivery, 'consumer' | 'count' | 'lease'>): Handling {
    this.counts.delivered++
    const at = performance.now()
    const name = `${place.partition}/${place.offset}`
    const stored = this.#saw(place.partition, place.offset, value, `a delivery to ${to.consumer}`)
    const delivery: Delivery = { ...to, at, until: Number.POSITIVE_INFINITY }
    const { acked } = stored
    if (acked !== undefined && to.lease > acked.by.lease) {
      const told = `${toldOf(delivery, at)}, ${ms(at - acked.at)} after an ack by ${acked.by.consumer} had resolved`
      this.violate(`${name} was delivered ${told}; ${historyOf(stored, at)}.`)
    } else if (acked !== undefined) this.counts.late++
    if (stored.deliveries.some(({ lease }) => lease === to.lease))
      this.violate(
        `${name} was delivered ${toldOf(delivery, at)}, twice under one lease; ${historyOf(stored, at)}.`,
      )
    if (stored.deliveries.length > 0) this.counts.again++
    for (const earlier of stored.deliveries)
      if (earlier.until > at) this.#overlapping.push([earlier, delivery])
    stored.deliveries.push(delivery)
    return {
      over: () => {
        delivery.until = Math.min(delivery.until, performance.now())
      },
      acked: () => this.#acked(name, stored, delivery),
      ackLost: (why) => {
        this.counts.lost++
        stored.refusals.push(why)
      },
      ackUndecided: () => {
        this.counts.ackUndecided++
        stored.undecided = true
      },
    }
  }

  #acked(name: string, stored: Stored, by: Delivery): void {
    this.counts.acked++
    const at = performance.now()
    if (stored.acked !== undefined && stored.acked.by !== by)
      this.violate(`${name} was acked by ${stored.acked.by.consumer} and by ${by.consumer}.`)
    if (stored.deliveries.some(({ lease }) => lease > by.lease)) {
      const told = `An ack of ${name} by ${by.consumer} (lease ${by.lease}) succeeded after a later lease had begun`
      this.violate(`${told}; ${historyOf(stored, at)}.`)
    }
    stored.acked ??= { by, at }
  }

  /** The earlier and the later of two deliveries; for how long both had it is known once the earlier one has ended. */
  readonly #overlapping: (readonly [Delivery, Delivery])[] = []

  /** For how long two consumers worked on one message, each sure of its lease (ms). */
  get longestOverlap(): number {
    const lengths = this.#overlapping.map(
      ([earlier, later]) => Math.min(earlier.until, later.until, performance.now()) - later.at,
    )
    return Math.max(0, ...lengths)
  }

  /** Judges what clients were told, against all that is stored in the end. */
  judge(logs: readonly (readonly { readonly offset: number; readonly value: Value }[])[]): void {
    const found = new Set<string>()
    logs.forEach((log, partition) => {
      const last = new Map<string, number>()
      log.forEach(({ offset, value }, at) => {
        if (offset !== at) this.violate(`Partition ${partition} has offset ${offset} where ${at} should be.`)
        const name = nameOf(value)
        const send = this.#sends.get(name)
        if (send?.partition !== partition)
          this.violate(`${partition}/${offset} is ${name}, which nobody sent there.`)
        if (found.has(name))
          this.violate(`${name} is stored twice, the second time at ${partition}/${offset}.`)
        found.add(name)
        const before = last.get(value.producer) ?? -1
        if (value.number < before)
          this.violate(`${name} is stored at ${partition}/${offset}, after ${value.producer}/${before}.`)
        last.set(value.producer, Math.max(before, value.number))
        const stored = this.#saw(partition, offset, value, 'reading in the end')
        if (stored.acked === undefined && !stored.undecided)
          this.violate(
            `${partition}/${offset} is settled, but nobody acked it: ${stored.deliveries.length} deliveries, ${stored.refusals.join(' ')}`,
          )
      })
    })
    for (const [name, { outcome }] of this.#sends)
      if (outcome === 'acknowledged' && !found.has(name))
        this.violate(`${name} was acknowledged and is lost.`)
  }

  #saw(partition: number, offset: number, value: Value, by: string): Stored {
    const text = nameOf(value)
    const known = this.#stored[partition]!.get(offset)
    if (known === undefined) {
      const stored: Stored = {
        value: text,
        deliveries: [],
        acked: undefined,
        refusals: [],
        undecided: false,
      }
      this.#stored[partition]!.set(offset, stored)
      return stored
    }
    if (known.value !== text)
      this.violate(`${partition}/${offset} was ${known.value} and is ${text} by ${by}.`)
    return known
  }
}

function nameOf({ producer, number }: Value): string {
  return `${producer}/${number}`
}

/** `at`: now. */
function toldOf({ consumer, count, lease, at: then }: Delivery, at: number): string {
  return `to ${consumer} (${count}., lease ${lease}, ${ms(at - then)} ago)`
}

function historyOf({ deliveries, refusals, undecided }: Stored, at: number): string {
  const before = deliveries.map((one) => toldOf(one, at)).join(', ')
  return `deliveries before: ${before || 'none'}; acks refused: ${refusals.length}, undecided: ${undecided}`
}

export function ms(milliseconds: number): string {
  return `${Math.round(milliseconds)} ms`
}
