import { crc32 } from 'node:zlib'
import type { StoredEntry } from '../../src/core/entry.js'
import type { AcquireBody, EntryBody, GroupBody, SettleBody } from '../../src/core/entry-body.js'
import { decodeBody } from '../../src/core/entry-codec.js'
import { offsetsOf } from '../unit/queue-model/rig.js'
import { topicOf } from './document-audit.js'
import { GroupAudit, tokenName } from './group-audit.js'
import { check } from './violation.js'

/** A log as its leader sees it. */
interface Led {
  readonly epoch: number
  /** The broker's life that leads it. */
  readonly life: number
  next: number
  readonly groups: Map<string, GroupAudit>
  /** Its leases count: before its topic has it a leader neither begins nor ends any. */
  isFound: boolean
  /** By the documents another leads it: its leader may not know it yet. */
  isOver: boolean
}

/**
 * What consumers hold of one broker, by what it wrote itself: over all partitions of a topic that it leads it must judge failures by that, and hand out
 * suspects (invariant 22). What it has decided counts, whether or not it is ever committed.
 */
export class Hands {
  readonly #maxDeliveries: (group: string) => number
  /** By log: what its process has led so far. */
  readonly #led = new Map<string, Led>()
  /** `topic group consumer` that held several when a lease ended without word, and got and settled nothing since. */
  readonly #silent = new Set<string>()
  /** The same, also of those that have nothing left. */
  readonly #everSilent = new Set<string>()
  /** The last of the broker's lives that is known to all. */
  #life = 0

  constructor(maxDeliveries: (group: string) => number) {
    this.#maxDeliveries = maxDeliveries
  }

  /** It begins to lead a log, in which it has these entries before that of its epoch. */
  begin(log: string, { epoch, index }: StoredEntry, before: Iterable<StoredEntry>, life = this.#life): void {
    const led: Led = { epoch, life, next: index, groups: new Map(), isFound: false, isOver: false }
    for (const entry of before) {
      if (entry.kind === 'messages') continue
      const body = decodeBody(entry, crc32)
      if (body.kind === 'acquire') this.#grant(led, entry, body)
      else if (body.kind === 'settle') this.#settle(led, body, NOTHING_HELD)
      else if (body.kind === 'group') this.#group(led, body)
    }
    this.#led.set(log, led)
    this.#silent.clear()
  }

  /** Another leads it, or will. */
  end(log: string, epoch: number): void {
    const led = this.#led.get(log)
    if (led && led.epoch < epoch) led.isOver = true
  }

  /** It has begun another session, with a life of its own: what it leads in an earlier one it leaves, log by log, as soon as it looks at their documents. */
  lives(generation: number): void {
    this.#life = Math.max(this.#life, generation)
  }

  /** Its process is gone. */
  died(): void {
    this.#led.clear()
    this.#silent.clear()
    this.#everSilent.clear()
  }

  /** It has written an entry. What it is given back by another leader is no decision. */
  appended(log: string, entry: StoredEntry, body: EntryBody): void {
    const led = this.#led.get(log)
    if (led?.epoch !== entry.epoch || led.next !== entry.index) return
    led.next++
    if (body.kind === 'acquire') {
      led.isFound = true
      this.#checkGrants(log, led, body)
      this.#grant(led, entry, body)
      for (const { group, consumer } of body.grants) this.#hear(log, group, consumer)
    } else if (body.kind === 'settle') this.#checkedSettle(log, led, body)
    else if (body.kind === 'group') {
      this.#group(led, body)
      this.#silent.clear()
    }
  }

  #checkGrants(log: string, led: Led, { grants }: AcquireBody): void {
    for (const { group, consumer, ranges } of grants) {
      const offsets = offsetsOf(ranges)
      const suspect = offsets.find((offset) => led.groups.get(group)?.isSuspect(offset))
      const { held, suspects } = this.#holds(log, group, consumer, this.#isCertain)
      check(
        suspect === undefined || (offsets.length === 1 && held === 0),
        () =>
          `[22] ${log}: suspect ${suspect} goes to ${consumer}, which gets ${offsets.length} and holds ${held} of all that its leader leads`,
      )
      check(
        suspects === 0,
        () => `[22] ${log}: ${consumer} holds a suspect of the same leader and gets ${offsets.join()}`,
      )
    }
  }

  #checkedSettle(log: string, led: Led, body: SettleBody): void {
    // As it was before: one entry may end several leases.
    const silent = body.items.flatMap(({ group, lease, change }) => {
      const isFailure = 'reason' in change && change.reason.startsWith('its ')
      if (!lease || (!isFailure && change.type !== 'suspected')) return []
      const consumer = groupOf(led.groups, group).leases.get(tokenName(lease))!
      const name = nameOf(log, group, consumer)
      const least = this.#holds(log, group, consumer, this.#isCertain).held
      const most = this.#holds(log, group, consumer, () => true).held
      return [{ consumer, group, name, isFailure, least, most }]
    })
    for (const { consumer, name, isFailure, least, most } of silent) {
      if (!isFailure) {
        check(
          most > 1 || this.#everSilent.has(name),
          () => `[22] ${log}: a lease of ${consumer}, the only one, ended without word and is no failure`,
        )
        continue
      }
      check(
        least <= 1,
        () =>
          `[22] ${log}: a lease of ${consumer} ended without word among ${least} of one leader and counts as a failure`,
      )
      check(
        !this.#silent.has(name),
        () =>
          `[22] ${log}: the last lease of ${consumer} counts as a failure, though it was among several when it fell silent`,
      )
    }
    if (silent.length > 0) led.isFound = true
    const others = body.items.flatMap(({ group, lease, change }) => {
      const isSilent = change.type === 'suspected' || ('reason' in change && change.reason.startsWith('its '))
      const consumer = lease && groupOf(led.groups, group).leases.get(tokenName(lease))
      return isSilent || consumer === undefined ? [] : [{ group, consumer, change }]
    })
    this.#settle(led, body, NOTHING_HELD)
    for (const { group, consumer, change } of others) {
      // The broker may give back by itself what was granted to a consumer that has gone: that is no word of it.
      if (change.type === 'released') this.#silent.delete(nameOf(log, group, consumer))
      else this.#hear(log, group, consumer)
    }
    for (const { group, consumer } of body.answers) this.#hear(log, group, consumer)
    for (const { name, isFailure } of silent) {
      if (isFailure) continue
      this.#silent.add(name)
      this.#everSilent.add(name)
    }
    for (const { group, consumer, name } of silent)
      if (this.#holds(log, group, consumer, this.#isCertain).held === 0) this.#silent.delete(name)
  }

  /** That its leases count for its leader is certain. */
  readonly #isCertain = ({ isFound, isOver, life }: Led): boolean => isFound && !isOver && life >= this.#life

  #hear(log: string, group: string, consumer: string): void {
    this.#silent.delete(nameOf(log, group, consumer))
    this.#everSilent.delete(nameOf(log, group, consumer))
  }

  #holds(
    log: string,
    group: string,
    consumer: string,
    counts: (led: Led) => boolean,
  ): { readonly held: number; readonly suspects: number } {
    let held = 0
    let suspects = 0
    for (const [other, led] of this.#led) {
      if (topicOf(other) !== topicOf(log) || (other !== log && !counts(led))) continue
      const audit = led.groups.get(group)
      for (const offset of audit?.held.get(consumer) ?? []) {
        held++
        if (audit!.isSuspect(offset)) suspects++
      }
    }
    return { held, suspects }
  }

  #grant({ groups }: Led, { epoch, index }: StoredEntry, { grants }: AcquireBody): void {
    grants.forEach((grant, slot) => {
      groupOf(groups, grant.group).acquire(tokenName({ epoch, index, slot }), grant, Number.POSITIVE_INFINITY)
    })
  }

  #settle({ groups }: Led, { items }: SettleBody, heldBefore: () => number): void {
    for (const item of items) groupOf(groups, item.group).settle(item, heldBefore)
  }

  #group({ groups }: Led, { group, change }: GroupBody): void {
    if (change.type === 'deleted') groups.delete(group)
    else groups.set(group, new GroupAudit(group, change.generation, change.start, this.#maxDeliveries(group)))
  }
}

const NOTHING_HELD = () => 0

function groupOf(groups: ReadonlyMap<string, GroupAudit>, name: string): GroupAudit {
  const group = groups.get(name)
  check(group !== undefined, () => `a leader names group ${name}, which is not there`)
  return group!
}

function nameOf(log: string, group: string, consumer: string): string {
  return `${topicOf(log)} ${group} ${consumer}`
}
