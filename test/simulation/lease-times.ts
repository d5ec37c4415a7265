import type { StoredEntry } from '../../src/core/entry.js'
import type { EntryBody } from '../../src/core/entry-body.js'
import { offsetsOf } from '../unit/queue-model/rig.js'
import { tokenName } from './group-audit.js'
import { check } from './violation.js'

/** How leaders count time: in whole milliseconds (ms). */
const GRAIN = 1

interface Place {
  readonly epoch: number
  readonly index: number
}

interface Said extends Place {
  readonly end: number
}

/**
 * When leases end for want of a word: not before their time, which counts from when a leader decided on them, whatever the clocks on walls show and
 * however often another leads (invariants 20 and 22).
 */
export class LeaseTimes {
  /** `log group token offset` -> what entries say of when it ends, if nobody extends it and leadership does not change. */
  readonly #said = new Map<string, Said[]>()
  /** By log: with which entry each epoch began, as far as one was written. */
  readonly #begun = new Map<string, Place[]>()

  /** A leader writes an entry, which it decided on at `decidedAt` (ms). */
  appended(log: string, entry: StoredEntry, body: EntryBody, decidedAt: number): void {
    const begun = this.#begun.get(log) ?? []
    this.#begun.set(log, begun)
    if (!begun.some(({ epoch }) => epoch === entry.epoch)) begun.push(entry)
    const ends = (key: string, duration: number) => {
      const said = this.#said.get(key) ?? []
      this.#said.set(key, said)
      said.push({ epoch: entry.epoch, index: entry.index, end: decidedAt + duration })
    }
    if (body.kind === 'acquire') {
      body.grants.forEach(({ group, duration, ranges }, slot) => {
        const token = tokenName({ epoch: entry.epoch, index: entry.index, slot })
        for (const offset of offsetsOf(ranges)) ends(`${log} ${group} ${token} ${offset}`, duration)
      })
    }
    if (body.kind !== 'settle') return
    for (const { group, lease, change, ranges } of body.items) {
      if (lease === undefined) continue
      const isSilent = change.type === 'suspected' || ('reason' in change && change.reason.startsWith('its '))
      for (const offset of offsetsOf(ranges)) {
        const key = `${log} ${group} ${tokenName(lease)} ${offset}`
        // What a leader of a later epoch did not have when it began counts for nothing.
        const end =
          this.#said.get(key)?.findLast((said) => begun.every((later) => stands(said, later)))?.end ?? 0
        if (change.type === 'extended') ends(key, change.duration)
        else if (isSilent)
          check(
            decidedAt >= end - GRAIN,
            () => `[20] ${key}: the lease ended without a word ${end - decidedAt} ms before its time`,
          )
      }
    }
  }
}

function stands(said: Place, later: Place): boolean {
  return said.epoch >= later.epoch || said.index < later.index
}
