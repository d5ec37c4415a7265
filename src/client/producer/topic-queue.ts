import type { PortalError } from '../../core/errors.js'
import type { TopicRoute } from '../../protocol/service.js'
import type { ProducerBatch } from './batch.js'
import type { Outgoing } from './outgoing.js'
import { PartitionQueue } from './partition-queue.js'

/** What a producer holds of one topic: the way to it, and its partitions' queues. */
export class TopicQueue {
  readonly name: string
  /** Undefined while it is being looked for. */
  route: TopicRoute | undefined
  readonly partitions: PartitionQueue[] = []
  /** Queues of topics of this name that are gone, the oldest first, while a request of theirs is under way. */
  former: PartitionQueue[] = []
  /** Messages that wait for the route, in order. */
  unrouted: Outgoing[] = []
  finding = false
  /** Why it is not found yet. */
  lastError: PortalError | undefined
  #sticky: number
  /** Where the epochs of its queues begin: above those of former ones, as a broker that is behind may lead back to a topic of before. */
  #epoch = 0

  constructor(name: string, sticky: number) {
    this.name = name
    this.#sticky = sticky
  }

  *queues(): IterableIterator<PartitionQueue> {
    yield* this.partitions
    yield* this.former
  }

  /** Batches that are not decided, as of now. */
  pending(): ProducerBatch[] {
    return [...this.queues()].flatMap((queue) => queue.pending())
  }

  /** Takes a route into use. Batches for a topic that is gone move to its successor. */
  use(route: TopicRoute): void {
    const { partitions } = this
    if (partitions.length > 0 && partitions[0]!.topicId !== route.topicId) {
      this.#epoch = Math.max(...partitions.map(({ epoch }) => epoch)) + 1
      this.former.push(...partitions.splice(0))
    }
    while (partitions.length < route.partitions)
      partitions.push(new PartitionQueue(this.name, route.topicId, partitions.length, this.#epoch))
    this.route = route
    this.moveFormer()
  }

  /**
   * Once nothing of former queues is under way, their batches go to the partition of the same number, ahead of what came since; nothing is sent there
   * before, as it would overtake them (invariant 26).
   */
  moveFormer(): void {
    const waits = this.former.some(({ isSending }) => isSending)
    if (!waits) {
      for (const queue of this.former.splice(0).reverse())
        this.partitions[queue.partition % this.partitions.length]!.adopt(queue.takePending())
    }
    for (const queue of this.partitions) queue.blocked = waits || !this.route
  }

  /** The topic is not there (any more): nothing is sent until a route is found. */
  lost(): void {
    this.route = undefined
    for (const queue of this.partitions) queue.blocked = true
  }

  /** The partition for messages that name none: the same until its batch is complete. */
  sticky(): PartitionQueue {
    return this.partitions[this.#sticky % this.partitions.length]!
  }

  /** A batch of `queue` is complete: the next messages without a key go elsewhere. */
  completed(queue: PartitionQueue): void {
    if (this.partitions.length > 1 && queue === this.sticky()) this.#sticky++
  }
}
