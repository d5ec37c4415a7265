import type { StoredEntry } from '../../src/core/entry.js'
import type { EntryBody } from '../../src/core/entry-body.js'
import { offsetsOf } from '../unit/queue-model/rig.js'
import { tokenName } from './group-audit.js'
import { check } from './violation.js'

/** How leaders count time: in whole milliseconds (ms). */
const GRAIN = 1

/**
 * When leases end for want of a word: not before their time, which counts from when a leader decided on them, whatever the clocks on walls show and
 * however often another leads (invariants 20 and 22).
 */
export class LeaseTimes {
  /** `log group token offset` -> when it ends, if nobody extends it and leadership does not change. */
  readonly #ends = new Map<string, number>()

  /** A leader writes an entry, which it decided on at `decidedAt` (ms). */
  appended(log: string, entry: StoredEntry, body: EntryBody, decidedAt: number): void {
    if (body.kind === 'acquire') {
      body.grants.forEach(({ group, duration, ranges }, slot) => {
        const token = tokenName({ epoch: entry.epoch, index: entry.index, slot })
        for (const offset of offsetsOf(ranges))
          this.#ends.set(`${log} ${group} ${token} ${offset}`, decidedAt + duration)
      })
    }
    if (body.kind !== 'settle') return
    for (const { group, lease, change, ranges } of body.items) {
      if (lease === undefined) continue
      const isSilent = change.type === 'suspected' || ('reason' in change && change.reason.startsWith('its '))
      for (const offset of offsetsOf(ranges)) {
        const key = `${log} ${group} ${tokenName(lease)} ${offset}`
        const end = this.#ends.get(key) ?? 0
        if (change.type === 'extended') this.#ends.set(key, decidedAt + change.duration)
        else if (isSilent)
          check(
            decidedAt >= end - GRAIN,
            () => `[20] ${key}: the lease ended without a word ${end - decidedAt} ms before its time`,
          )
      }
    }
  }
}
