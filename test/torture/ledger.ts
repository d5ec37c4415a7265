/** What was sent: by its producer, the number that it has there, and the partition that it is for. */
export interface Value {
  readonly producer: string
  readonly number: number
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
  readonly at: number
  /** When its consumer had it no more, as far as that knew. */
  until: number
}

interface Stored {
  readonly value: string
  /** In the order in which they came. */
  readonly deliveries: Delivery[]
  /** When an ack of it resolved. */
  ackedAt: number | undefined
  /** Why acks of it were refused, or that it is unknown whether they were. */
  readonly refusals: string[]
  undecided: boolean
}

/** Milliseconds by which two consumers' views of one lease may differ on a busy machine. */
const LEASE_TOLERANCE = 1_000

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
  }
  #overlapsLongest = 0

  constructor(partitions: number) {
    this.#stored = Array.from({ length: partitions }, () => new Map())
  }

  get longestOverlap(): number {
    return this.#overlapsLongest
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

  /** Returns what to call when the consumer has it no more. */
  delivered(partition: number, offset: number, value: Value, consumer: string, count: number): () => void {
    this.counts.delivered++
    const at = performance.now()
    const stored = this.#saw(partition, offset, value, `a delivery to ${consumer}`)
    const name = `${partition}/${offset}`
    if (stored.ackedAt !== undefined) {
      this.violate(
        `${name} was delivered to ${consumer} (for the ${count}. time) ${ms(at - stored.ackedAt)} after an ack of it had resolved; before: ${stored.deliveries
          .map((one) => `to ${one.consumer} (${one.count}.) ${ms(at - one.at)} ago`)
          .join(', ')}; acks refused: ${stored.refusals.length}, undecided: ${stored.undecided}.`,
      )
    }
    if (stored.deliveries.length > 0) this.counts.again++
    for (const earlier of stored.deliveries) {
      if (earlier.until <= at) continue
      // Known only once the earlier one ends.
      this.#overlapping.push({ name, earlier, consumer, at })
    }
    const delivery = { consumer, count, at, until: Number.POSITIVE_INFINITY }
    stored.deliveries.push(delivery)
    return () => {
      delivery.until = Math.min(delivery.until, performance.now())
    }
  }

  readonly #overlapping: {
    readonly name: string
    readonly earlier: Delivery
    readonly consumer: string
    readonly at: number
  }[] = []

  acked(partition: number, offset: number): void {
    this.counts.acked++
    this.#stored[partition]!.get(offset)!.ackedAt ??= performance.now()
  }

  /** LEASE_LOST: the ack has changed nothing. */
  ackLost(partition: number, offset: number, why: string): void {
    this.counts.lost++
    this.#stored[partition]!.get(offset)!.refusals.push(why)
  }

  /** It is unknown whether the ack has changed anything. */
  ackUndecided(partition: number, offset: number): void {
    this.counts.ackUndecided++
    this.#stored[partition]!.get(offset)!.undecided = true
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
        if (stored.ackedAt === undefined && !stored.undecided)
          this.violate(
            `${partition}/${offset} is settled, but nobody acked it: ${stored.deliveries.length} deliveries, ${stored.refusals.join(' ')}`,
          )
      })
    })
    for (const [name, { outcome }] of this.#sends)
      if (outcome === 'acknowledged' && !found.has(name))
        this.violate(`${name} was acknowledged and is lost.`)
    for (const { name, earlier, consumer, at } of this.#overlapping) {
      const overlap = Math.min(earlier.until, performance.now()) - at
      this.#overlapsLongest = Math.max(this.#overlapsLongest, overlap)
      if (overlap > LEASE_TOLERANCE)
        this.violate(`${name} was held by ${earlier.consumer} and ${consumer} at once, for ${ms(overlap)}.`)
    }
  }

  #saw(partition: number, offset: number, value: Value, by: string): Stored {
    const text = nameOf(value)
    const known = this.#stored[partition]!.get(offset)
    if (known === undefined) {
      const stored: Stored = {
        value: text,
        deliveries: [],
        ackedAt: undefined,
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

export function ms(milliseconds: number): string {
  return `${Math.round(milliseconds)} ms`
}
