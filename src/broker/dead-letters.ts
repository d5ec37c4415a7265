import type { SettleBody } from '../core/entry-body.js'
import { isPortalError, type PortalError } from '../core/errors.js'
import type { PartitionState } from '../core/partition-state.js'
import { INTERNAL_PRODUCER_PREFIX } from '../core/producer-window.js'
import type { Queue, Trouble } from '../core/queue.js'
import { pushRange } from '../core/ranges.js'
import { RecordBatchBuilder } from '../core/record-batch-builder.js'
import { readBatchHeader } from '../core/record-batch-header.js'
import { RecordBatchView, rebuildRecord } from '../core/record-batch-view.js'
import type { Runtime } from '../runtime/runtime.js'
import type { Partition } from './partition.js'

/** How long to wait before trying again when the dead-letter topic cannot be written (ms). */
const RETRY = 1_000
/** Dying messages carried over at a time. */
const STRIDE = 100

/** What a message in a dead-letter topic says of itself, in its headers. */
export const DEAD_LETTER_HEADERS = {
  topic: 'portal-mq-topic',
  partition: 'portal-mq-partition',
  offset: 'portal-mq-offset',
  group: 'portal-mq-group',
  deliveries: 'portal-mq-deliveries',
  reason: 'portal-mq-reason',
} as const

/** Where a group's dead messages go: into a partition of the topic with this id. */
export interface DeadLetterTarget {
  readonly topicId: string
  /** Resolves once the batch is committed there; one that was before is not stored again. */
  append(records: Uint8Array): Promise<void>
}

/** `nowhere`: the group's dead messages are discarded by now. Undefined: the group is gone. */
type FindTarget = (group: string) => Promise<DeadLetterTarget | 'nowhere' | undefined>

/**
 * Carries one partition's dying messages to the dead-letter topics of their groups, in the order in which they died. An internal producer
 * numbers them, so that a copy made twice is stored once; the message is dead once the copy is committed (invariant 23).
 */
export class DeadLetterMover {
  readonly #partition: Partition
  readonly #runtime: Runtime
  readonly #findTarget: FindTarget
  readonly #onError: (error: PortalError) => void
  #running = false

  constructor(
    partition: Partition,
    runtime: Runtime,
    findTarget: FindTarget,
    onError: (error: PortalError) => void,
  ) {
    this.#partition = partition
    this.#runtime = runtime
    this.#findTarget = findTarget
    this.#onError = onError
    this.#watch()
  }

  #watch(): void {
    this.#partition.onceDying(() => {
      if (this.#partition.closed) return
      this.#watch()
      void this.run()
    })
  }

  /** Carries over what is dying now; does nothing if it is at it. */
  async run(): Promise<void> {
    if (this.#running) return
    this.#running = true
    try {
      for (let moved = true; moved && !this.#partition.closed; ) {
        moved = false
        for (const queue of this.#partition.state.queues.values()) if (await this.#carry(queue)) moved = true
      }
    } catch (error) {
      if (this.#partition.closed) return
      if (isPortalError(error)) this.#onError(error)
      else throw error
      this.#runtime.timers.setTimeout(() => void this.run(), RETRY)
    } finally {
      this.#running = false
    }
  }

  async #carry(queue: Queue): Promise<boolean> {
    if (queue.dying === 0) return false
    const dying = [...queue.troubles]
      .filter(([, trouble]) => trouble.dying !== undefined)
      .sort((a, b) => a[1].dying! - b[1].dying!)
      .slice(0, STRIDE)
    const target = await this.#findTarget(queue.group)
    if (!target) return false
    // What is decided is not yet committed: lost with its leader, its number would be another message's, whose copy would pass for stored.
    await this.#partition.caughtUp()
    if (target !== 'nowhere') {
      for (const [offset, trouble] of dying) {
        await target.append(await this.#copy(queue, offset, trouble, target))
      }
    }
    await this.#partition.propose((state) =>
      bury(
        state,
        queue,
        dying.map(([offset]) => offset),
      ),
    )
    return true
  }

  async #copy(queue: Queue, offset: number, trouble: Trouble, target: DeadLetterTarget): Promise<Uint8Array> {
    const { topic, partition, reader } = this.#partition
    const [batch] = await reader.load([offset, offset + 1], [])
    const record = rebuildRecord(new RecordBatchView(batch!.records), offset - batch!.baseOffset, {
      headers: {
        [DEAD_LETTER_HEADERS.topic]: topic.name,
        [DEAD_LETTER_HEADERS.partition]: String(partition),
        [DEAD_LETTER_HEADERS.offset]: String(offset),
        [DEAD_LETTER_HEADERS.group]: queue.group,
        [DEAD_LETTER_HEADERS.deliveries]: String(trouble.failures),
        [DEAD_LETTER_HEADERS.reason]: trouble.reason,
      },
    })
    const builder = new RecordBatchBuilder(this.#runtime.crc32)
    // A copy is never a duplicate of an earlier message: it consults no `id`.
    builder.tryAppend({ ...record, id: undefined })
    const generation = `${queue.group}/${queue.generation}`
    const producer = `${INTERNAL_PRODUCER_PREFIX}dead/${topic.id}/${partition}/${generation}/${target.topicId}`
    return builder.seal(producer, 0, trouble.dying!)
  }
}

/** Stores a batch of an internal producer in a partition that is led here. */
export function appendInternal(target: Partition, records: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    target.produce({
      records,
      header: readBatchHeader(records),
      acks: 'all',
      answer: (result) => ('error' in result ? reject(result.error) : resolve()),
    })
  })
}

/** The entry that ends those which are dying still; a seek may have taken their queue. */
function bury(state: PartitionState, queue: Queue, offsets: number[]): SettleBody | undefined {
  if (state.queues.get(queue.group) !== queue) return undefined
  const ranges: number[] = []
  for (const offset of offsets.sort((a, b) => a - b)) {
    if (queue.troubles.get(offset)?.dying !== undefined) pushRange(ranges, offset, offset + 1)
  }
  if (ranges.length === 0) return undefined
  const item = { group: queue.group, lease: undefined, change: { type: 'dead' } as const, ranges }
  return { kind: 'settle', items: [item], answers: [] }
}
