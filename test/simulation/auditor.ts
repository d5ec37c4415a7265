import { crc32 } from 'node:zlib'
import type { Grant, SettleItem } from '../../src/core/entry-body.js'
import { decodeBody } from '../../src/core/entry-codec.js'
import { PartitionState } from '../../src/core/partition-state.js'
import { decodeSnapshot } from '../../src/core/snapshot.js'
import type { MemoryDatabase } from '../../src/storage/memory-database.js'
import type { Write } from '../../src/storage/storage.js'
import { dumpState } from '../unit/queue-model/dump.js'
import type { DiskWatcher } from './disk.js'
import type { GroupAudit } from './group-audit.js'
import { LogAudit, type Surroundings } from './log-audit.js'
import { NetworkAudit } from './network-audit.js'
import type { Trace } from './trace.js'
import { check } from './violation.js'

/** A result that somebody was given: it must hold whatever happens afterwards. */
export type Promised =
  | { readonly type: 'stored'; readonly log: string; readonly offset: number; readonly value: string }
  | {
      readonly type: 'settled'
      readonly log: string
      readonly group: string
      readonly generation: number
      readonly token: string
      readonly offset: number
      readonly how: readonly string[]
    }

/** Watches what is written to the disk, entry by entry, and holds it against what was promised. */
export class Auditor implements DiskWatcher, Surroundings {
  readonly logs = new Map<string, LogAudit>()
  readonly #trace: Trace
  readonly #maxDeliveries: (group: string) => number
  readonly #promised = new Map<string, Promised>()
  readonly #acked = new Set<string>()
  readonly #epochs = new Map<string, number>()
  #view: () => MemoryDatabase
  #latest: () => number = () => 0
  /** Which life of the broker writes, and since when. */
  life = 0
  livesSince = 0
  entries = 0
  /** Topic id -> name. */
  readonly names = new Map<string, string>()
  /** Every lease that was ever written, those that a loss of power took back among them. */
  readonly leases = new Set<string>()
  /** What is known of the leases of the library's consumers elsewhere. */
  readonly network: NetworkAudit
  /** While a log is read again, the others stand elsewhere in time: what concerns several was checked before. */
  #again = false

  constructor(trace: Trace, now: () => number, maxDeliveries: (group: string) => number) {
    this.#trace = trace
    this.network = new NetworkAudit(now, () => this.life)
    this.#maxDeliveries = maxDeliveries
    this.#view = () => {
      throw new Error('no disk')
    }
  }

  watch(view: () => MemoryDatabase, latestTime: () => number): void {
    this.#view = view
    this.#latest = latestTime
  }

  written(writes: readonly Write[]): void {
    for (const write of writes) {
      if (write.type === 'append') {
        const audit = this.audit(write.log)
        for (const entry of write.entries) {
          this.#checkEpoch(write.log, entry.epoch)
          this.#trace.line(
            `log ${write.log.slice(0, 4)}${write.log.slice(-2)} ${entry.index} ${entry.kind} ${entry.baseOffset}+${entry.count}`,
          )
          audit.append(entry)
          this.entries++
        }
      } else if (write.type === 'delete-batches') this.#checkDeletion(write)
      else if (write.type === 'delete-log') this.logs.delete(write.log)
    }
    for (const write of writes) if (write.type === 'snapshot') this.checkRecovery(write.log)
  }

  /** After a crash: forgets what the disk forgot, and tells whether every promise still holds. */
  restarted(): void {
    for (const [log, before] of this.logs) {
      const view = this.#view()
      const last = view.read(log, { from: 0, maxBytes: Number.POSITIVE_INFINITY }).at(-1)?.index ?? -1
      const next = Math.max(last + 1, view.readSnapshot(log)?.header.index ?? 0)
      if (next === before.state.nextIndex) continue
      this.#trace.line(`lost ${before.state.nextIndex - next} entries of ${log}`)
      const audit = new LogAudit(log, this)
      this.logs.set(log, audit)
      this.#again = true
      for (const entry of before.entries.slice(0, next)) audit.append(entry)
      this.#again = false
    }
    for (const log of this.logs.keys()) this.checkRecovery(log)
    this.checkPromises()
  }

  /** The last snapshot with the entries after it gives what the whole log gives. */
  checkRecovery(log: string): void {
    const stored = this.#view().readSnapshot(log)
    const audit = this.audit(log)
    const state = stored
      ? decodeSnapshot(stored.header.payload, stored.pages, crc32).state
      : new PartitionState()
    const later = this.#view().read(log, { from: state.nextIndex, maxBytes: Number.POSITIVE_INFINITY })
    for (const entry of later) {
      const gap = () =>
        `${log} cannot be recovered: entry ${entry.index} is stored where ${state.nextIndex} is needed`
      check(entry.index === state.nextIndex, gap)
      state.apply(entry, decodeBody(entry, crc32))
    }
    const ids = audit.ids.filter((id) => id !== undefined)
    const difference = firstDifference(dumpState(state, ids), dumpState(audit.state, ids))
    check(
      difference === undefined,
      () => `${log}: snapshot and later entries differ from the whole log: ${difference}`,
    )
  }

  promise(promised: Promised): void {
    const key =
      promised.type === 'stored'
        ? `${promised.log} ${promised.offset}`
        : `${promised.log} ${promised.group} ${promised.token} ${promised.offset} ${promised.how[0]}`
    const before = this.#promised.get(key)
    if (promised.type === 'stored' && before?.type === 'stored') {
      check(before.value === promised.value, () => `[12] ${key} was ${before.value} and is ${promised.value}`)
    }
    this.#promised.set(key, promised)
    this.#check(promised)
    if (promised.type === 'settled' && promised.how.includes('acked')) {
      this.#acked.add(`${promised.log} ${promised.group} ${promised.generation} ${promised.offset}`)
    }
  }

  /** Somebody's ack of it resolved. */
  acknowledged(log: string, group: GroupAudit, offset: number): void {
    this.#acked.add(`${log} ${group.name} ${group.generation} ${offset}`)
  }

  checkPromises(): void {
    for (const promised of this.#promised.values()) this.#check(promised)
  }

  get promises(): number {
    return this.#promised.size
  }

  /** The log of a topic's partition, once its topic is known. */
  logOf(topic: string, partition: number): string | undefined {
    for (const [id, name] of this.names) if (name === topic) return `${id}/${partition}`
    return undefined
  }

  audit(log: string): LogAudit {
    let audit = this.logs.get(log)
    if (!audit) {
      audit = new LogAudit(log, this)
      this.logs.set(log, audit)
    }
    return audit
  }

  heldBy(topicId: string, group: string, consumer: string): number {
    if (this.#again) return 0
    let held = 0
    for (const audit of this.#partitionsOf(topicId))
      held += audit.groups.get(group)?.held.get(consumer)?.size ?? 0
    return held
  }

  holdsSuspect(topicId: string, group: string, consumer: string): boolean {
    if (this.#again) return false
    for (const audit of this.#partitionsOf(topicId)) {
      const found = audit.groups.get(group)
      for (const offset of found?.held.get(consumer) ?? []) if (found!.isSuspect(offset)) return true
    }
    return false
  }

  wasAcked(log: string, group: GroupAudit, offset: number): boolean {
    return !this.#again && this.#acked.has(`${log} ${group.name} ${group.generation} ${offset}`)
  }

  maxDeliveries(group: string): number {
    return this.#maxDeliveries(group)
  }

  leased(log: string, token: string, grant: Grant): void {
    this.leases.add(`${log} ${token}`)
    if (!this.#again) this.network.leased(log, token, grant)
  }

  settled(log: string, item: SettleItem): void {
    if (!this.#again) this.network.settled(log, item)
  }

  trimmed(log: string, offset: number): void {
    this.network.trimmed(log, offset)
  }

  deaths(key: string): { readonly died: number; readonly buried: number; readonly copied: number } {
    const sum = { died: 0, buried: 0, copied: 0 }
    if (this.#again) return { ...sum, died: Number.POSITIVE_INFINITY, copied: Number.POSITIVE_INFINITY }
    for (const { deaths } of this.logs.values()) {
      for (const what of ['died', 'buried', 'copied'] as const) sum[what] += deaths[what].get(key) ?? 0
    }
    return sum
  }

  topicName(topicId: string): string | undefined {
    return this.names.get(topicId)
  }

  latestTime(): number {
    return this.#again ? Number.POSITIVE_INFINITY : this.#latest()
  }

  *#partitionsOf(topicId: string): Generator<LogAudit> {
    for (const audit of this.logs.values()) if (audit.topicId === topicId) yield audit
  }

  #check(promised: Promised): void {
    const audit = this.audit(promised.log)
    if (promised.type === 'stored') {
      const value = audit.values[promised.offset]
      const there = () =>
        `[12] ${promised.log} ${promised.offset} was shown as ${promised.value}, and is ${value}`
      check(value === promised.value, there)
      return
    }
    const group = audit.groups.get(promised.group)
    if (group?.generation !== promised.generation) return
    const how = group.ended.get(`${promised.token} ${promised.offset}`)
    const kept = how !== undefined && promised.how.includes(how)
    check(
      kept,
      () =>
        `[17] ${promised.log} ${promised.offset} was answered as ${promised.how.join(' or ')}, and is ${how}`,
    )
  }

  #checkEpoch(log: string, epoch: number): void {
    const key = `${log} ${epoch}`
    const writer = this.#epochs.get(key)
    check(
      writer === undefined || writer === this.life,
      () => `[1] ${log}: epoch ${epoch} is written by two lives`,
    )
    this.#epochs.set(key, this.life)
  }

  #checkDeletion({ log, from, to }: Extract<Write, { type: 'delete-batches' }>): void {
    const audit = this.audit(log)
    for (const { index, kind, count, baseOffset } of audit.entries.slice(from, to)) {
      const kept = kind === 'messages' && count > 0 && audit.isStored(baseOffset)
      check(!kept, () => `[11] ${log}: batch ${index} is deleted without a trim`)
    }
  }
}

/** Where two plain values part, and what stands there. */
function firstDifference(one: unknown, other: unknown, path = ''): string | undefined {
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) {
    return Object.is(one, other) ? undefined : `${path}: ${JSON.stringify(one)}, not ${JSON.stringify(other)}`
  }
  for (const key of new Set([...Object.keys(one), ...Object.keys(other)])) {
    const difference = firstDifference(
      (one as Record<string, unknown>)[key],
      (other as Record<string, unknown>)[key],
      `${path}.${key}`,
    )
    if (difference) return difference
  }
  return undefined
}
