import type { Grant, SettleItem } from '../../src/core/entry-body.js'
import type { GroupAudit } from './group-audit.js'
import { LogAudit, type Surroundings } from './log-audit.js'
import { NetworkAudit } from './network-audit.js'
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

/** All logs as they stand, entry by entry, and all that was promised: what one log must know of the others, too. */
export class Ledger implements Surroundings {
  readonly logs = new Map<string, LogAudit>()
  readonly #maxDeliveries: (group: string) => number
  readonly #promised = new Map<string, Promised>()
  readonly #acked = new Set<string>()
  readonly #buried = new Set<string>()
  /** Topic id -> name; of two topics of one name the later is the last. */
  readonly names = new Map<string, string>()
  /** Every lease that was ever written, those that a loss of power took back among them. */
  readonly leases = new Set<string>()
  /** `topic key` -> the log that has all messages with this key. */
  readonly #keyed = new Map<string, string>()
  /** What is known of the leases of the library's consumers elsewhere. */
  readonly network: NetworkAudit
  /** While a log is read again, the others stand elsewhere in time: what concerns several was checked before. */
  protected again = false
  protected latest: () => number = () => 0
  /** Which life of the broker writes, and since when. */
  life = 0
  livesSince = 0
  entries = 0

  constructor(now: () => number, maxDeliveries: (group: string) => number) {
    this.network = new NetworkAudit({
      now,
      life: () => this.writer,
      isLeased: (log, token) => this.isLeased(log, token),
    })
    this.#maxDeliveries = maxDeliveries
  }

  /** The life of the only broker; undefined where there are several. */
  get writer(): number | undefined {
    return this.life
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

  generationOf(log: string, group: string): number | undefined {
    return this.audit(log).groups.get(group)?.generation
  }

  /** Somebody's ack of it resolved, begun in this generation of the group: it is settled, for good (invariant 19). */
  acked(log: string, group: string, generation: number | undefined, offset: number): void {
    const now = this.audit(log).groups.get(group)
    if (now === undefined || now.generation !== generation) return
    const { place } = now.at(offset)
    check(place === 'settled', () => `[19] ${log} ${offset}: an ack of ${group} resolved, and it is ${place}`)
    this.#acked.add(`${log} ${group} ${generation} ${offset}`)
  }

  checkPromises(): void {
    for (const promised of this.#promised.values()) this.#check(promised)
  }

  learn(topicId: string, name: string): void {
    if (!this.#buried.has(topicId)) this.names.set(topicId, name)
  }

  /** Somebody was told of the message at this offset. */
  shown(_log: string, _offset: number): void {}

  /** Whether this lease was ever written. */
  isLeased(log: string, token: string): boolean {
    return this.leases.has(`${log} ${token}`)
  }

  /** A send was acknowledged as stored at this offset. */
  sent(_log: string, _offset: number): void {}

  /** The topic was deleted: what was promised of it is void. */
  bury(topicId: string): void {
    this.#buried.add(topicId)
    this.names.delete(topicId)
    for (const log of this.logs.keys()) if (log.startsWith(`${topicId}/`)) this.logs.delete(log)
    for (const [key, { log }] of this.#promised) if (log.startsWith(`${topicId}/`)) this.#promised.delete(key)
  }

  isBuried(log: string): boolean {
    return this.#buried.has(log.slice(0, log.lastIndexOf('/')))
  }

  get promises(): number {
    return this.#promised.size
  }

  /** The log of a topic's partition, once its topic is known. */
  logOf(topic: string, partition: number): string | undefined {
    let found: string | undefined
    for (const [id, name] of this.names) if (name === topic) found = `${id}/${partition}`
    return found
  }

  audit(log: string): LogAudit {
    let audit = this.logs.get(log)
    if (!audit) {
      audit = new LogAudit(log, this)
      this.logs.set(log, audit)
    }
    return audit
  }

  heldBy(log: string, group: string, consumer: string): number {
    if (this.again) return 0
    let held = 0
    for (const audit of this.partitionsOf(log)) held += audit.groups.get(group)?.held.get(consumer)?.size ?? 0
    return held
  }

  holdsSuspect(log: string, group: string, consumer: string): boolean {
    if (this.again) return false
    for (const audit of this.partitionsOf(log)) {
      const found = audit.groups.get(group)
      for (const offset of found?.held.get(consumer) ?? []) if (found!.isSuspect(offset)) return true
    }
    return false
  }

  wasAcked(log: string, group: GroupAudit, offset: number): boolean {
    return !this.again && this.#acked.has(`${log} ${group.name} ${group.generation} ${offset}`)
  }

  maxDeliveries(group: string): number {
    return this.#maxDeliveries(group)
  }

  leased(log: string, token: string, grant: Grant): void {
    this.leases.add(`${log} ${token}`)
    if (!this.again) this.network.leased(log, token, grant)
  }

  settled(log: string, item: SettleItem): void {
    if (!this.again) this.network.settled(log, item)
  }

  trimmed(log: string, offset: number): void {
    this.network.trimmed(log, offset)
  }

  deaths(key: string): { readonly died: number; readonly buried: number; readonly copied: number } {
    const sum = { died: 0, buried: 0, copied: 0 }
    if (this.again) return { ...sum, died: Number.POSITIVE_INFINITY, copied: Number.POSITIVE_INFINITY }
    for (const { deaths } of this.logs.values()) {
      for (const what of ['died', 'buried', 'copied'] as const) sum[what] += deaths[what].get(key) ?? 0
    }
    return sum
  }

  topicName(topicId: string): string | undefined {
    return this.names.get(topicId)
  }

  keyed(log: string, key: string): void {
    const place = `${log.slice(0, log.lastIndexOf('/'))} ${key}`
    const before = this.#keyed.get(place) ?? log
    check(before === log, () => `[26] messages with the key ${key} are in ${before} and in ${log}`)
    this.#keyed.set(place, log)
  }

  latestTime(): number {
    return this.again ? Number.POSITIVE_INFINITY : this.latest()
  }

  /** Those whose leaders know of each other what consumers hold. */
  protected *partitionsOf(log: string): Generator<LogAudit> {
    const { topicId } = this.audit(log)
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
}
