import { crc32 } from 'node:zlib'
import type { StoredEntry } from '../../src/core/entry.js'
import type {
  AcquireBody,
  EntryBody,
  Grant,
  GroupBody,
  MessagesBody,
  SettleBody,
  SettleItem,
} from '../../src/core/entry-body.js'
import { decodeBody } from '../../src/core/entry-codec.js'
import { PartitionState } from '../../src/core/partition-state.js'
import { INTERNAL_PRODUCER_PREFIX } from '../../src/core/producer-window.js'
import { conservationError } from '../../src/core/queue-codec.js'
import { RecordBatchView } from '../../src/core/record-batch-view.js'
import { offsetsOf } from '../unit/queue-model/rig.js'
import { deathOf } from './death.js'
import { GroupAudit, tokenName } from './group-audit.js'
import { SendOrder } from './send-order.js'
import { check } from './violation.js'

/** What an auditor of one log must know of the others. */
export interface Surroundings {
  /** How many messages a consumer of a group holds over all partitions of the topic, as far as the log's leader can know it. */
  heldBy(log: string, group: string, consumer: string): number
  /** Whether it holds one that must be alone. */
  holdsSuspect(log: string, group: string, consumer: string): boolean
  /** Called before a lease is believed: whether this message was acknowledged by an ack that resolved. */
  wasAcked(log: string, group: GroupAudit, offset: number): boolean
  maxDeliveries(group: string): number
  /** Over all logs, by `topic/partition group offset`. */
  deaths(key: string): { readonly died: number; readonly buried: number; readonly copied: number }
  topicName(topicId: string): string | undefined
  /** A message with this key is stored. */
  keyed(log: string, key: string): void
  leased(log: string, token: string, grant: Grant): void
  /** Called after it is believed. */
  settled(log: string, item: SettleItem): void
  trimmed(log: string, offset: number): void
  /** The latest that the wall clock ever showed. */
  latestTime(): number
}

/** Reads one log as it grows, believes nothing, and remembers everything. */
export class LogAudit {
  readonly log: string
  readonly topicId: string
  readonly entries: StoredEntry[] = []
  state = new PartitionState()
  /** Value by offset, of all messages ever stored. */
  readonly values: string[] = []
  /** `id` by offset. */
  readonly ids: (string | undefined)[] = []
  /** `producer epoch sequence` -> offset. */
  readonly places = new Map<string, number>()
  groups = new Map<string, GroupAudit>()
  /** The last generation of each group that ever was: one that is made again after its deletion is another. */
  readonly #generations = new Map<string, number>()
  /** By `topic/partition group offset`: how often it died here, was said to be with the dead, was stored as a dead letter. */
  readonly deaths = {
    died: new Map<string, number>(),
    buried: new Map<string, number>(),
    copied: new Map<string, number>(),
  }
  readonly #producers = new Map<string, { epoch: number; next: number }>()
  readonly #order: SendOrder
  readonly #surroundings: Surroundings

  constructor(log: string, surroundings: Surroundings) {
    this.log = log
    this.topicId = log.slice(0, log.lastIndexOf('/'))
    this.#surroundings = surroundings
    this.#order = new SendOrder(log)
  }

  append(entry: StoredEntry): void {
    const { state } = this
    const where = `${this.log} ${entry.index}`
    check(entry.index === state.nextIndex, () => `${where} follows ${state.nextIndex - 1}`)
    check(entry.epoch >= state.lastEpoch, () => `[1] ${where}: epoch ${entry.epoch} after ${state.lastEpoch}`)
    const first = entry.epoch > state.lastEpoch
    check(!first || entry.kind === 'epoch', () => `${where}: epoch ${entry.epoch} begins with ${entry.kind}`)
    check(
      entry.baseOffset === state.nextOffset,
      () => `${where}: offset ${entry.baseOffset}, not ${state.nextOffset}`,
    )
    check(
      entry.appendTime >= state.appendTime && entry.safeTime >= state.safeTime,
      () => `${where}: time went back`,
    )
    const body = decodeBody(entry, crc32)
    this.#inspect(entry, body)
    const before = body.kind === 'trim' ? this.#stored() : undefined
    state.apply(entry, body)
    if (before) for (const offset of before) if (!this.isStored(offset)) this.#drop(offset)
    this.entries.push(entry)
    for (const queue of state.queues.values()) {
      const error = conservationError(queue, state.nextOffset)
      check(error === undefined, () => `[24] ${where} (${entry.kind}), group ${queue.group}: ${error}`)
    }
  }

  isStored(offset: number): boolean {
    const place = this.state.directory.find(offset)
    return place !== undefined && place.baseOffset <= offset
  }

  /** The last message that no trim has taken. */
  lastStored(): number | undefined {
    const last = this.state.nextOffset - 1
    return last >= 0 && this.isStored(last) ? last : this.#stored().at(-1)
  }

  #inspect(entry: StoredEntry, body: EntryBody): void {
    if (body.kind === 'messages') this.#messages(entry, body)
    else if (body.kind === 'acquire') this.#acquire(entry, body)
    else if (body.kind === 'settle') this.#settle(body)
    else if (body.kind === 'group') this.#group(body)
  }

  #messages(entry: StoredEntry, { header, ids }: MessagesBody): void {
    const { producerId, producerEpoch, baseSequence, count, sequenceSkip } = header
    const internal = producerId.startsWith(INTERNAL_PRODUCER_PREFIX)
    if (producerId !== '') {
      const before = this.#producers.get(producerId)
      const next = before?.epoch === producerEpoch ? before.next : 0
      const inLine = internal ? baseSequence >= next : baseSequence === next
      check(
        inLine,
        () => `[14] ${this.log}: ${producerId} stored sequence ${baseSequence} where ${next} was next`,
      )
      this.#producers.set(producerId, { epoch: producerEpoch, next: baseSequence + count + sequenceSkip })
    }
    const view = new RecordBatchView(entry.payload)
    for (let at = 0; at < count; at++) {
      const offset = entry.baseOffset + at
      const id = ids?.[at]
      const known = id === undefined ? undefined : this.state.dedupe.find(id)
      const remembered =
        known !== undefined && entry.safeTime < this.#timeOf(known) + this.state.dedupeLimits.window
      check(!remembered, () => `[16] ${this.log}: id ${id} is stored at ${offset} and at ${known}`)
      this.values[offset] = view.valueText(at)
      this.ids[offset] = id
      if (producerId !== '') this.places.set(`${producerId} ${producerEpoch} ${baseSequence + at}`, offset)
      const death = deathOf(view.headers(at))
      if (death) this.#deadLetter(death.key)
      else {
        this.#order.stored(offset, view.valueText(at))
        const key = view.key(at)
        if (typeof key === 'string') this.#surroundings.keyed(this.log, key)
      }
    }
  }

  #timeOf(offset: number): number {
    return (
      this.entries.find((entry) => entry.baseOffset <= offset && offset < entry.baseOffset + entry.count)
        ?.safeTime ?? 0
    )
  }

  #deadLetter(key: string): void {
    raise(this.deaths.copied, key)
    const { died, copied } = this.#surroundings.deaths(key)
    check(copied <= died, () => `[23] ${this.log}: ${key} died ${died} times and has ${copied} dead letters`)
  }

  /** Counts those that die, and those that are said to be in the dead-letter topic: they must be. */
  #count(item: SettleItem): void {
    const { type } = item.change
    const topic = this.#surroundings.topicName(this.topicId)
    if (topic === undefined || (type !== 'rejected' && type !== 'dead')) return
    for (const offset of offsetsOf(item.ranges)) {
      const key = `${topic}/${this.log.slice(this.topicId.length + 1)} ${item.group} ${offset}`
      raise(type === 'dead' ? this.deaths.buried : this.deaths.died, key)
      if (type === 'rejected') continue
      const { buried, copied } = this.#surroundings.deaths(key)
      check(copied >= buried, () => `[23] ${key} is settled as dead, and the dead-letter topic lacks it`)
    }
  }

  #acquire(entry: StoredEntry, body: AcquireBody): void {
    const around = this.#surroundings
    body.grants.forEach((grant, slot) => {
      const group = this.#groupOf(grant.group)
      const offsets = offsetsOf(grant.ranges)
      const suspects = offsets.filter((offset) => group.isSuspect(offset))
      const held = around.heldBy(this.log, grant.group, grant.consumer)
      if (suspects.length > 0) {
        const alone = offsets.length === 1 && held === 0
        check(
          alone,
          () =>
            `[22] ${this.log}: suspect ${suspects[0]} goes to ${grant.consumer}, which holds ${held} and gets ${offsets.length}`,
        )
      }
      const careful = around.holdsSuspect(this.log, grant.group, grant.consumer)
      check(!careful, () => `[22] ${this.log}: ${grant.consumer} holds a suspect and gets ${offsets.join()}`)
      for (const offset of offsets) {
        const acked = around.wasAcked(this.log, group, offset)
        check(
          !acked,
          () => `[19] ${this.log}: ${offset} is leased to ${grant.consumer} after its ack resolved`,
        )
      }
      const token = tokenName({ epoch: entry.epoch, index: entry.index, slot })
      around.leased(this.log, token, grant)
      group.acquire(token, grant, around.latestTime())
    })
  }

  #settle(body: SettleBody): void {
    // As it was before: one entry may end several leases.
    const held = new Map<string, number>()
    const heldBefore = (group: string) => (consumer: string) => {
      const key = `${group} ${consumer}`
      if (!held.has(key)) held.set(key, this.#surroundings.heldBy(this.log, group, consumer))
      return held.get(key)!
    }
    for (const item of body.items) {
      this.#groupOf(item.group).settle(item, heldBefore(item.group))
      this.#surroundings.settled(this.log, item)
      this.#count(item)
    }
  }

  #group({ group, change }: GroupBody): void {
    if (change.type === 'deleted') {
      this.groups.delete(group)
      return
    }
    const before = this.#generations.get(group) ?? 0
    check(
      change.generation > before,
      () => `[19] ${this.log}: group ${group} starts generation ${change.generation} after ${before}`,
    )
    this.#generations.set(group, change.generation)
    const audit = new GroupAudit(
      group,
      change.generation,
      change.start,
      this.#surroundings.maxDeliveries(group),
    )
    for (let offset = change.start; offset < this.state.nextOffset; offset++)
      if (!this.isStored(offset)) audit.drop(offset)
    this.groups.set(group, audit)
  }

  #groupOf(name: string): GroupAudit {
    const group = this.groups.get(name)
    check(group !== undefined, () => `${this.log} names group ${name}, which is not there`)
    return group!
  }

  #drop(offset: number): void {
    this.#surroundings.trimmed(this.log, offset)
    for (const group of this.groups.values()) group.drop(offset)
  }

  #stored(): number[] {
    const stored: number[] = []
    this.state.directory.walk(0, ({ baseOffset, count }) => {
      for (let offset = baseOffset; offset < baseOffset + count; offset++) stored.push(offset)
      return true
    })
    return stored
  }
}

function raise(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}
