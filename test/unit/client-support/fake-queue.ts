import { abortedError, PortalError } from '../../../src/core/errors.js'
import { RecordBatchBuilder } from '../../../src/core/record-batch-builder.js'
import { encodeValue } from '../../../src/core/value-codec.js'
import type {
  BrokerService,
  CallOptions,
  DeliveredBatch,
  JoinGroupRequest,
  ReceiveRequest,
  ReceiveResponse,
  SettleRequest,
} from '../../../src/protocol/service.js'
import { portableCrc32 } from '../../../src/runtime/crc32.js'
import { onAbort } from '../../../src/runtime/on-abort.js'
import type { Timer } from '../../../src/runtime/runtime.js'
import type { VirtualRuntime } from '../../../src/runtime/virtual.js'
import { sleepUntil, type WaitEnds } from '../../../src/runtime/wait.js'

type State = 'free' | 'leased' | 'waiting' | 'acked' | 'rejected'

interface Slot {
  state: State
  deliveries: number
  token: number
  expiry: Timer | undefined
}

interface Waiter {
  readonly request: ReceiveRequest
  readonly resolve: (response: ReceiveResponse) => void
}

const BATCH = 100

/**
 * One group of one partition, honest about leases: they end when their time is over, what ended or failed is delivered again with
 * a higher count, what was given back is not counted.
 */
export class FakeQueue {
  readonly runtime: VirtualRuntime
  readonly slots: Slot[] = []
  readonly receives: ReceiveRequest[] = []
  readonly settles: SettleRequest[] = []
  readonly nacks: { offset: number; delay: number | undefined; reason: string | undefined }[] = []
  readonly joins: JoinGroupRequest[] = []
  expired = 0
  released = 0
  generation = 1
  exists = true
  /** Milliseconds that each answer takes. */
  latency = 0
  backoff = 1_000
  /** Errors for the next calls. */
  readonly settleErrors: PortalError[] = []
  readonly receiveErrors: PortalError[] = []
  joinError: PortalError | undefined
  readonly #batches: Uint8Array[] = []
  #waiters: Waiter[] = []
  #topicWaiters: (() => void)[] = []
  #tokens = 0

  constructor(runtime: VirtualRuntime) {
    this.runtime = runtime
  }

  readonly service: Partial<BrokerService> = {
    findTopic: async ({ name, wait = 0 }, call = {}) => {
      if (!this.exists) await this.#untilTopic(name, { timeout: wait, signal: call.signal })
      return { topicId: 'id', name, partitions: 1, maxMessageBytes: 1 << 20 }
    },
    joinGroup: async (request) => {
      this.joins.push(request)
      if (this.joinError) throw this.joinError
      const settings = {
        order: 'none',
        maxDeliveries: 5,
        backoff: { initial: 1_000, max: 60_000, factor: 2, jitter: 0 },
        deadLetter: false,
      } as const
      return { topicId: 'id', partitions: 1, generation: this.generation, settings }
    },
    receive: (request, call = {}) => this.#receive(request, call),
    settle: (request) => this.#settle(request),
  }

  /** Messages whose values are their offsets. */
  fill(count: number): void {
    for (let left = count; left > 0; left -= BATCH) {
      const builder = new RecordBatchBuilder(portableCrc32)
      for (let at = 0; at < Math.min(left, BATCH); at++) {
        builder.tryAppend({ ...encodeValue(this.slots.length), timestamp: 1_000 + this.slots.length })
        this.slots.push({ state: 'free', deliveries: 0, token: 0, expiry: undefined })
      }
      this.#batches.push(builder.seal('', 0, 0))
    }
    this.#serve()
  }

  create(): void {
    this.exists = true
    for (const resolve of this.#topicWaiters.splice(0)) resolve()
  }

  count(state: State): number {
    return this.slots.filter((slot) => slot.state === state).length
  }

  get mostDeliveries(): number {
    return Math.max(...this.slots.map(({ deliveries }) => deliveries))
  }

  get waiting(): number {
    return this.#waiters.length
  }

  /** A seek: a new generation, in which everything is free. */
  seek(): void {
    this.generation++
    for (const slot of this.slots) {
      slot.expiry?.cancel()
      Object.assign(slot, { state: 'free', deliveries: 0, token: 0 })
    }
    this.#waiters = []
  }

  async #untilTopic(name: string, ends: WaitEnds): Promise<void> {
    const made = await sleepUntil<true>(this.runtime.timers, 'findTopic', ends, (resolve) => {
      this.#topicWaiters.push(() => resolve(true))
      return () => {}
    })
    if (!made) throw new PortalError('TOPIC_NOT_FOUND', `There is no topic '${name}'.`)
  }

  async #receive(request: ReceiveRequest, call: CallOptions): Promise<ReceiveResponse> {
    this.receives.push(request)
    await this.#late()
    const error = this.receiveErrors.shift()
    if (error) throw error
    if (request.generation !== this.generation) throw new PortalError('GROUP_NOT_FOUND', 'It was moved.')
    const response = await new Promise<ReceiveResponse>((answer, reject) => {
      const resolve = (response: ReceiveResponse) => {
        forget()
        answer(response)
      }
      const waiter: Waiter = { request, resolve }
      const leave = () => {
        this.#waiters = this.#waiters.filter((one) => one !== waiter)
      }
      this.#waiters.push(waiter)
      const forget = onAbort(call.signal, () => {
        leave()
        reject(abortedError('receive', call.signal!))
      })
      if (request.wait !== undefined) {
        this.runtime.timers.setTimeout(() => {
          leave()
          resolve({ deliveries: [] })
        }, request.wait)
      }
      this.#serve()
    })
    await this.#late()
    return response
  }

  #late(): Promise<void> {
    if (this.latency === 0) return Promise.resolve()
    return new Promise((resolve) => void this.runtime.timers.setTimeout(resolve, this.latency))
  }

  #serve(): void {
    for (;;) {
      const waiter = this.#waiters[0]
      if (waiter === undefined) return
      const offsets: number[] = []
      for (
        let offset = 0;
        offset < this.slots.length && offsets.length < waiter.request.maxMessages;
        offset++
      ) {
        if (this.slots[offset]!.state === 'free') offsets.push(offset)
      }
      if (offsets.length === 0) return
      this.#waiters.shift()
      waiter.resolve(this.#lease(offsets, waiter.request))
    }
  }

  #lease(offsets: readonly number[], request: ReceiveRequest): ReceiveResponse {
    const token = ++this.#tokens
    const batches = new Map<number, DeliveredBatch & { ranges: number[]; deliveryCounts: number[] }>()
    for (const offset of offsets) {
      const slot = this.slots[offset]!
      Object.assign(slot, { state: 'leased', token, deliveries: slot.deliveries + 1 })
      this.#expireAfter(slot, request.lease)
      const at = Math.floor(offset / BATCH)
      const batch = batches.get(at) ?? {
        baseOffset: at * BATCH,
        records: this.#batches[at]!,
        ranges: [],
        deliveryCounts: [],
      }
      batches.set(at, batch)
      if (batch.ranges.at(-1) === offset) batch.ranges[batch.ranges.length - 1] = offset + 1
      else batch.ranges.push(offset, offset + 1)
      if (slot.deliveries > 1) batch.deliveryCounts.push(offset, slot.deliveries)
    }
    const delivery = {
      partition: 0,
      token: { epoch: 1, index: token, slot: 0 },
      batches: [...batches.values()],
    }
    return { deliveries: [delivery], more: this.slots.some(({ state }) => state === 'free') }
  }

  #expireAfter(slot: Slot, milliseconds: number): void {
    slot.expiry?.cancel()
    slot.expiry = this.runtime.timers.setTimeout(() => {
      this.expired++
      slot.state = 'free'
      this.#serve()
    }, milliseconds)
  }

  async #settle(request: SettleRequest) {
    this.settles.push(request)
    const error = this.settleErrors.shift()
    if (error) throw error
    await this.#late()
    const lost = request.settlements.map((settlement) => {
      const ranges: number[] = []
      for (let at = 0; at < settlement.ranges.length; at += 2) {
        for (let offset = settlement.ranges[at]!; offset < settlement.ranges[at + 1]!; offset++) {
          const slot = this.slots[offset]!
          const held = slot.state === 'leased' && slot.token === settlement.token.index
          if (!held || request.generation !== this.generation) ranges.push(offset, offset + 1)
          else this.#change(slot, offset, settlement)
        }
      }
      return ranges
    })
    this.#serve()
    return { lost }
  }

  #change(
    slot: Slot,
    offset: number,
    { outcome, delay, reason }: SettleRequest['settlements'][number],
  ): void {
    if (outcome === 'extend') return this.#expireAfter(slot, delay!)
    slot.expiry?.cancel()
    slot.expiry = undefined
    if (outcome === 'ack') slot.state = 'acked'
    else if (outcome === 'reject') slot.state = 'rejected'
    else if (outcome === 'release') {
      this.released++
      slot.deliveries--
      slot.state = 'free'
    } else {
      this.nacks.push({ offset, delay, reason })
      slot.state = 'waiting'
      this.runtime.timers.setTimeout(() => {
        slot.state = 'free'
        this.#serve()
      }, delay ?? this.backoff)
    }
  }
}
