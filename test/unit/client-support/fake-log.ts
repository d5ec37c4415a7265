import { PortalError } from '../../../src/core/errors.js'
import { readBatchHeader } from '../../../src/core/record-batch-header.js'
import { RecordBatchView } from '../../../src/core/record-batch-view.js'
import type {
  BrokerService,
  ProduceBatch,
  ProduceRequest,
  ProduceResponse,
  ProduceResult,
} from '../../../src/protocol/service.js'

interface Stored {
  readonly value: string
  readonly producer: string
  readonly epoch: number
  readonly sequence: number
}

/** What happens to one produce request, or to one batch of it. */
export interface ProduceScript {
  /** Called with each request before it is looked at: throws, waits, or lets it pass. */
  request?: (request: ProduceRequest, number: number) => Promise<void> | void
  /** Called with each batch before it is stored: an error refuses it. */
  batch?: (batch: ProduceBatch, number: number) => PortalError | undefined
  /** Called when a request's batches are stored, before its answer leaves. */
  answer?: (request: ProduceRequest, number: number) => Promise<void> | void
}

/** A broker that only takes messages, with the sequence check of invariants 14 and 15, and faults by script. */
export class FakeLog {
  readonly script: ProduceScript = {}
  readonly requests: ProduceRequest[] = []
  topicId = 'id-1'
  partitions = 1
  maxMessageBytes = 1 << 20
  finds = 0
  readonly stored = new Map<number, Stored[]>()
  readonly #producers = new Map<string, { epoch: number; next: number; offsets: number[] }>()

  /** Topics found with an error. */
  findError: (() => PortalError | undefined) | undefined

  readonly service: Partial<BrokerService> = {
    findTopic: async ({ name }) => {
      this.finds++
      const error = this.findError?.()
      if (error) throw error
      const { topicId, partitions, maxMessageBytes } = this
      return { topicId, name, partitions, maxMessageBytes }
    },
    produce: (request) => this.#produce(request),
  }

  values(partition = 0): string[] {
    return (this.stored.get(partition) ?? []).map(({ value }) => value)
  }

  epochs(partition = 0): number[] {
    return (this.stored.get(partition) ?? []).map(({ epoch }) => epoch)
  }

  async #produce(request: ProduceRequest): Promise<ProduceResponse> {
    const number = this.requests.push(request)
    await this.script.request?.(request, number)
    const results = request.batches.map((batch) => {
      const error = this.script.batch?.(batch, number)
      return error ? { error } : this.#store(batch)
    })
    await this.script.answer?.(request, number)
    return { results }
  }

  #store({ topicId, partition, records }: ProduceBatch): ProduceResult {
    if (topicId !== this.topicId) return { error: new PortalError('TOPIC_NOT_FOUND', topicId) }
    const header = readBatchHeader(records)
    const key = `${topicId}/${partition}/${header.producerId}`
    let producer = this.#producers.get(key)
    if (!producer || header.producerEpoch > producer.epoch) {
      if (header.baseSequence !== 0) return refused(`begins at ${header.baseSequence}`)
      producer = { epoch: header.producerEpoch, next: 0, offsets: [] }
      this.#producers.set(key, producer)
    }
    if (header.producerEpoch < producer.epoch) return refused('an old epoch')
    if (header.baseSequence > producer.next) return refused(`${header.baseSequence} for ${producer.next}`)
    const log = this.stored.get(partition) ?? []
    this.stored.set(partition, log)
    const view = new RecordBatchView(records)
    for (let at = 0; at < header.count; at++) {
      const sequence = header.baseSequence + at
      if (sequence < producer.next) continue
      producer.offsets.push(log.length)
      producer.next++
      log.push({
        value: view.valueText(at),
        producer: header.producerId,
        epoch: header.producerEpoch,
        sequence,
      })
    }
    const runs: number[] = []
    for (let at = 0; at < header.count; at++) runs.push(1, producer.offsets[header.baseSequence + at]!, 0)
    return { runs }
  }
}

function refused(why: string): ProduceResult {
  return { error: new PortalError('SEQUENCE_REFUSED', why) }
}
