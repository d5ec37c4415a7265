import { type Admin, isPortalError } from '../../../index.js'
import type { BrokerProcess } from './broker-process.js'

/** How often the cluster is asked (ms). */
const POLL = 200

/** What is known of a topic's one partition. */
interface Place {
  epoch: number
  /** A broker's id. */
  leader: string | undefined
  inSync: readonly string[]
}

/** Who leads which topic, in which epoch, and who is in sync: told by the brokers at once, and by the cluster when it is asked. */
export class Board {
  readonly #topics: readonly string[]
  readonly #places = new Map<string, Place>()

  constructor(topics: readonly string[]) {
    this.#topics = topics
  }

  of(topic: string): Readonly<Place> {
    return this.#places.get(topic) ?? { epoch: -1, leader: undefined, inSync: [] }
  }

  /** A broker says that it leads. */
  leads({ id }: BrokerProcess, topic: string, epoch: number): void {
    const { epoch: known, inSync } = this.of(topic)
    if (epoch >= known) this.#places.set(topic, { epoch, leader: id, inSync })
  }

  /** Asks until the signal aborts. */
  async watch(admin: Admin, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.ask(admin).catch((error: unknown) => {
        // Between two leaders nobody may know; the next time somebody does.
        if (!isPortalError(error)) throw error
      })
      await new Promise((resolve) => setTimeout(resolve, POLL))
    }
  }

  /** Resolves once all that the cluster knows is here. */
  async ask(admin: Admin): Promise<void> {
    for (const topic of this.#topics) {
      const [partition] = (await admin.describeTopic(topic)).partitions
      const { epoch, leader } = this.of(topic)
      if (!partition || partition.epoch < epoch) continue
      const known = partition.epoch === epoch ? leader : undefined
      this.#places.set(topic, {
        epoch: partition.epoch,
        leader: partition.leader?.id ?? known,
        inSync: partition.inSync,
      })
    }
  }
}
