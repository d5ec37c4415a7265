import { appendInternal, DeadLetterMover, type DeadLetterTarget } from './dead-letters.js'
import type { PartitionHost } from './host.js'
import type { Partition } from './partition.js'
import type { Topic } from './topic.js'

/** Stores a batch of an internal producer in a partition that another broker leads. */
export type AppendElsewhere = (topicId: string, partition: number, records: Uint8Array) => Promise<void>

export interface DeadLetterTopics {
  find(name: string): Topic | undefined
  /** Makes one that is not there, for the dead of another topic. */
  ensure(name: string, of: Topic): Promise<Topic>
  readonly appendElsewhere: AppendElsewhere
}

/** Moves the dying of every partition that is led here, from when all topics are open: their dead-letter topics are among them. */
export class DeadLetterMovers {
  readonly #host: PartitionHost
  readonly #topics: DeadLetterTopics
  /** What waits for that. */
  readonly #waiting: (() => void)[] = []
  #begun = false

  constructor(host: PartitionHost, topics: DeadLetterTopics) {
    this.#host = host
    this.#topics = topics
  }

  /** All topics are open. */
  begin(): void {
    this.#begun = true
    for (const start of this.#waiting.splice(0)) start()
  }

  /** The partition is led here from now on. */
  add(topic: Topic, partition: Partition): void {
    if (this.#begun) this.#start(topic, partition)
    else this.#waiting.push(() => this.#start(topic, partition))
  }

  #start(topic: Topic, partition: Partition): void {
    const mover = new DeadLetterMover(
      partition,
      this.#host.runtime,
      (group) => this.#targetOf(group, topic, partition),
      (error) => this.#host.emit('error', error),
    )
    void mover.run()
  }

  async #targetOf(
    group: string,
    topic: Topic,
    { partition }: Partition,
  ): Promise<DeadLetterTarget | 'nowhere' | undefined> {
    const name = topic.settings(group)?.deadLetter
    if (!name) return name === false ? 'nowhere' : undefined
    const target = this.#topics.find(name) ?? (await this.#topics.ensure(name, topic))
    const number = partition % target.document.partitions
    return {
      topicId: target.id,
      append: (records) => {
        const here = target.partition(number)
        return here ? appendInternal(here, records) : this.#topics.appendElsewhere(target.id, number, records)
      },
    }
  }
}
