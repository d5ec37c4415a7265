import { crc32 } from 'node:zlib'
import type { StoredEntry } from '../../src/core/entry.js'
import type { SettleItem } from '../../src/core/entry-body.js'
import { decodeBody } from '../../src/core/entry-codec.js'
import { offsetsOf } from '../unit/queue-model/rig.js'
import type { Death } from './death.js'
import { tokenName } from './group-audit.js'
import { Ledger, type Promised } from './ledger.js'
import type { LogAudit } from './log-audit.js'
import { check } from './violation.js'

/** What the ledger asks of the audit of the disks. */
interface Disks {
  /** How many disks have an entry safely, or had it before they were wiped or rotted: an answer is on its way for a while. */
  holders(log: string, index: number, epoch: number): number
  minInSync(log: string): number
  /** Whether the group's dead messages may have been discarded. */
  mayDiscard(topic: string, group: string): boolean
  /** Somebody was shown what rests on the first entry for which this is so: it is committed, with all before it. */
  reveal(log: string, is: (entry: StoredEntry) => boolean): void
}

/** The ledger of a cluster: its logs are what is known to be committed. */
export class ClusterLedger extends Ledger {
  readonly #disks: Disks
  /** By topic id and `topic/partition group offset`: dead letters that were written to it, committed or not. */
  readonly #copies = new Map<string, Map<string, number>>()

  constructor(
    options: {
      readonly now: () => number
      readonly maxDeliveries: (group: string) => number
    },
    disks: Disks,
  ) {
    super(options.now, options.maxDeliveries)
    this.#disks = disks
  }

  /** An entry is committed that was written when no clock showed more than `time`. */
  append(audit: LogAudit, entry: StoredEntry, time: number): void {
    this.latest = () => time
    audit.append(entry)
    this.entries++
  }

  override get writer(): undefined {
    return undefined
  }

  /** Deleted topics promise nothing any more. */
  override promise(promised: Promised): void {
    const { log } = promised
    if (this.isBuried(log)) return
    if (promised.type === 'stored') this.shown(log, promised.offset)
    else {
      const { group, token, offset } = promised
      if (!this.audit(log).groups.get(group)?.ended.has(`${token} ${offset}`))
        this.#disks.reveal(log, (entry) => settles(entry, promised))
    }
    super.promise(promised)
  }

  override shown(log: string, offset: number): void {
    if (this.isBuried(log) || this.audit(log).values[offset] !== undefined) return
    this.#disks.reveal(log, (entry) => holds(entry, offset))
  }

  override acked(log: string, group: string, generation: number | undefined, offset: number): void {
    if (this.isBuried(log)) return
    if (this.audit(log).groups.get(group)?.at(offset).place !== 'settled')
      this.#disks.reveal(log, (entry) => acks(entry, group, offset))
    super.acked(log, group, generation, offset)
  }

  override isLeased(log: string, token: string): boolean {
    if (this.isBuried(log)) return true
    const [epoch, index] = token.split('/').map(Number)
    if (!super.isLeased(log, token))
      this.#disks.reveal(log, (entry) => entry.epoch === epoch && entry.index === index)
    return super.isLeased(log, token)
  }

  /** Somebody's send was acknowledged: it is on as many disks as it was promised (invariant 3). */
  override sent(log: string, offset: number): void {
    if (this.isBuried(log)) return
    const entry = this.audit(log).entries.find((one) => holds(one, offset))
    const holders = entry ? this.#disks.holders(log, entry.index, entry.epoch) : 0
    const least = this.#disks.minInSync(log)
    check(
      holders >= least,
      () => `[3] ${log} ${offset} was acknowledged and is on ${holders} disks, not on ${least}`,
    )
  }

  /** A dead letter is written: that its message is dying is committed, else the next leader may know nothing of it (invariant 23). */
  copied({ topic, partition, group, offset, key }: Death, deadLetters: string): void {
    const copies = this.#copies.get(deadLetters) ?? new Map<string, number>()
    this.#copies.set(deadLetters, copies)
    copies.set(key, (copies.get(key) ?? 0) + 1)
    const log = this.logOf(topic, partition)
    if (log === undefined) return
    if (super.deaths(key).died === 0) this.#disks.reveal(log, (entry) => rejects(entry, group, offset))
    check(super.deaths(key).died > 0, () => `[23] a dead letter of ${key} is written, which may live still`)
  }

  /** Of two logs one is known further than the other: only at the end can they be compared. */
  override deaths(): { readonly died: number; readonly buried: number; readonly copied: number } {
    return { died: Number.POSITIVE_INFINITY, buried: 0, copied: Number.POSITIVE_INFINITY }
  }

  /**
   * Nothing is called dead that is not among dead letters, unless these were deleted or the group had none for a while; and nothing is there that did not
   * die, or twice in one topic (invariant 23).
   */
  checkDeaths(): void {
    const logs = [...this.logs.values()]
    const keys = new Set(logs.flatMap(({ deaths }) => [...deaths.copied.keys(), ...deaths.buried.keys()]))
    for (const key of keys) {
      const { died, buried, copied } = super.deaths(key)
      const [, topic, group] = /^(.*)\/\d+ (\S+) \d+$/.exec(key)!
      const isKept = buried <= copied + this.#deletedCopies(key) || this.#disks.mayDiscard(topic!, group!)
      const most = Math.max(...logs.map(({ deaths }) => deaths.copied.get(key) ?? 0))
      check(
        isKept && most <= died,
        () =>
          `[23] ${key} died ${died} times, has ${copied} dead letters, ${most} in one topic, and was settled as dead ${buried} times`,
      )
    }
  }

  /** Dead letters that went with their topic. */
  #deletedCopies(key: string): number {
    let sum = 0
    for (const [topicId, copies] of this.#copies)
      if (this.isBuried(`${topicId}/0`)) sum += copies.get(key) ?? 0
    return sum
  }

  /** Leaders of other partitions are elsewhere, and know nothing of these consumers. */
  protected override *partitionsOf(log: string): Generator<LogAudit> {
    yield this.audit(log)
  }
}

function holds({ baseOffset, count }: StoredEntry, offset: number): boolean {
  return baseOffset <= offset && offset < baseOffset + count
}

function settles(
  entry: StoredEntry,
  { group, token, offset }: { readonly group: string; readonly token: string; readonly offset: number },
): boolean {
  return hasItem(
    entry,
    (item) =>
      item.group === group &&
      item.change.type !== 'extended' &&
      item.lease !== undefined &&
      tokenName(item.lease) === token &&
      offsetsOf(item.ranges).includes(offset),
  )
}

function acks(entry: StoredEntry, group: string, offset: number): boolean {
  return hasItem(
    entry,
    (item) => item.group === group && item.change.type === 'acked' && offsetsOf(item.ranges).includes(offset),
  )
}

function rejects(entry: StoredEntry, group: string, offset: number): boolean {
  return hasItem(
    entry,
    (item) =>
      item.group === group && item.change.type === 'rejected' && offsetsOf(item.ranges).includes(offset),
  )
}

function hasItem(entry: StoredEntry, is: (item: SettleItem) => boolean): boolean {
  if (entry.kind !== 'settle') return false
  const body = decodeBody(entry, crc32)
  return body.kind === 'settle' && body.items.some(is)
}
