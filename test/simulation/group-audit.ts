import type { Grant, SettleItem } from '../../src/core/entry-body.js'
import { offsetsOf } from '../unit/queue-model/rig.js'
import { check } from './violation.js'

interface Standing {
  place: 'available' | 'leased' | 'waiting' | 'dying' | 'settled'
  failures: number
  suspect: boolean
  due: number
  token: string
}

/** What the log says one group did with each message of one partition, told message by message. */
export class GroupAudit {
  readonly name: string
  readonly generation: number
  readonly start: number
  readonly #maxDeliveries: number
  readonly #messages = new Map<number, Standing>()
  /** Token -> its consumer. */
  readonly leases = new Map<string, string>()
  /** Consumer -> the offsets that it holds. */
  readonly held = new Map<string, Set<number>>()
  /** `token offset` -> how that lease of that message ended. */
  readonly ended = new Map<string, string>()

  constructor(name: string, generation: number, start: number, maxDeliveries: number) {
    this.name = name
    this.generation = generation
    this.start = start
    this.#maxDeliveries = maxDeliveries
  }

  at(offset: number): Standing {
    let standing = this.#messages.get(offset)
    if (!standing) {
      standing = { place: 'available', failures: 0, suspect: false, due: 0, token: '' }
      this.#messages.set(offset, standing)
    }
    return standing
  }

  isSuspect(offset: number): boolean {
    const { place, suspect } = this.at(offset)
    return suspect && place !== 'settled'
  }

  acquire(token: string, grant: Grant, time: number): void {
    this.leases.set(token, grant.consumer)
    for (const offset of offsetsOf(grant.ranges)) {
      const standing = this.at(offset)
      check(offset >= this.start, () => `${this.name} leased ${offset}, below its start`)
      const free = standing.place === 'available' || standing.place === 'waiting'
      check(
        free,
        () => `[18, 19] ${this.name} leased ${offset} to ${grant.consumer}, which is ${standing.place}`,
      )
      const early = standing.place === 'waiting' && standing.due > time
      check(
        !early,
        () => `[27] ${this.name} leased ${offset} at ${time}, before it was due at ${standing.due}`,
      )
      standing.place = 'leased'
      standing.token = token
      this.#hold(grant.consumer).add(offset)
    }
  }

  settle(item: SettleItem, heldBefore: (consumer: string) => number): void {
    const token = item.lease && tokenName(item.lease)
    const consumer = token === undefined ? undefined : this.leases.get(token)
    const { change } = item
    if (change.type === 'retry' || change.type === 'rejected' || change.type === 'discarded') {
      const silent = 'reason' in change && change.reason.startsWith('its ')
      const several = silent && heldBefore(consumer!) > 1
      check(
        !several,
        () => `[22] a lease of ${consumer} ended without word among several and counts as a failure`,
      )
    }
    for (const offset of offsetsOf(item.ranges)) {
      const standing = this.at(offset)
      if (change.type === 'dead') {
        check(
          standing.place === 'dying',
          () => `[23] ${this.name}: ${offset} is dead but was ${standing.place}`,
        )
        standing.place = 'settled'
        continue
      }
      const held = standing.place === 'leased' && standing.token === token
      check(
        held,
        () => `[17] ${this.name}: ${change.type} of ${offset} under ${token}, which is ${standing.place}`,
      )
      if (change.type === 'extended') continue
      this.#hold(consumer!).delete(offset)
      this.ended.set(`${token} ${offset}`, change.type)
      switch (change.type) {
        case 'acked':
        case 'discarded':
          standing.place = 'settled'
          break
        case 'released':
          standing.place = 'available'
          break
        case 'suspected':
          standing.place = 'available'
          standing.suspect = true
          break
        case 'retry':
          standing.failures++
          standing.place = 'waiting'
          standing.due = change.due
          break
        case 'rejected':
          standing.failures++
          standing.place = 'dying'
          break
      }
      const alive = standing.place === 'waiting' && standing.failures >= this.#maxDeliveries
      check(!alive, () => `[22] ${this.name}: ${offset} failed ${standing.failures} times and lives`)
    }
  }

  /** A trim took it. */
  drop(offset: number): void {
    if (offset < this.start) return
    const standing = this.at(offset)
    const spared = standing.place !== 'leased' && standing.place !== 'dying'
    check(spared, () => `${this.name}: ${offset} was trimmed while ${standing.place}`)
    standing.place = 'settled'
  }

  #hold(consumer: string): Set<number> {
    let held = this.held.get(consumer)
    if (!held) {
      held = new Set()
      this.held.set(consumer, held)
    }
    return held
  }
}

export function tokenName(token: {
  readonly epoch: number
  readonly index: number
  readonly slot: number
}): string {
  return `${token.epoch}/${token.index}/${token.slot}`
}
