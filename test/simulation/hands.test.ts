import { crc32 } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { StoredEntry } from '../../src/core/entry.js'
import type { EntryBody, MessagesBody, SettleChange } from '../../src/core/entry-body.js'
import { encodeBody } from '../../src/core/entry-codec.js'
import { Hands } from './hands.js'

const LOGS = ['topic/0', 'topic/1'] as const
type Decision = Exclude<EntryBody, MessagesBody>

const RETRY: SettleChange = { type: 'retry', due: 0, reason: 'its lease ended' }

/** A leader of two partitions, of which each has a group. */
class Leader {
  readonly hands = new Hands(() => 3)
  readonly #next = new Map<string, number>()

  constructor() {
    for (const log of LOGS) this.begins(log, 1)
  }

  begins(log: string, epoch: number, ...before: readonly Decision[]): void {
    const started: Decision = {
      kind: 'group',
      group: 'g',
      change: { type: 'started', generation: 1, start: 0 },
    }
    const entries = [started, ...before].map((body, index) => entryOf(body, index, epoch - 1))
    const own = entryOf({ kind: 'epoch', leader: 'a' }, entries.length, epoch)
    this.hands.begin(log, own, entries)
    this.hands.appended(log, own, { kind: 'epoch', leader: 'a' })
    this.#next.set(log, own.index + 1)
  }

  /** Returns the index of the entry. */
  writes(log: string, body: Decision, epoch = 1): number {
    const index = this.#next.get(log)!
    this.#next.set(log, index + 1)
    this.hands.appended(log, entryOf(body, index, epoch), body)
    return index
  }

  leases(log: string, consumer: string, ...offsets: readonly number[]): number {
    return this.writes(log, leaseOf(consumer, ...offsets))
  }

  ends(log: string, index: number, change: SettleChange, offset = 0): void {
    this.writes(log, endOf(index, change, offset))
  }
}

function leaseOf(consumer: string, ...offsets: readonly number[]): Decision {
  const ranges = offsets.flatMap((offset) => [offset, offset + 1])
  return { kind: 'acquire', grants: [{ group: 'g', consumer, local: false, duration: 1, ranges }] }
}

function endOf(index: number, change: SettleChange, offset: number, epoch = 1): Decision {
  const lease = { epoch, index, slot: 0 }
  return { kind: 'settle', items: [{ group: 'g', lease, change, ranges: [offset, offset + 1] }], answers: [] }
}

function entryOf(body: Decision, index: number, epoch: number): StoredEntry {
  const fixed = { version: 1, baseOffset: 0, count: 0, appendTime: 1, safeTime: 1 }
  return { index, epoch, kind: body.kind, ...fixed, payload: encodeBody(body, crc32) }
}

describe('what consumers hold of one leader [invariant 22]', () => {
  const [one, other] = LOGS

  it('a lease that ends without word is a failure if its consumer holds nothing else', () => {
    const leader = new Leader()
    leader.ends(one, leader.leases(one, 'c', 0), RETRY)
    const again = leader.leases(one, 'c', 0)
    expect(() => leader.ends(one, again, { type: 'suspected' })).toThrow('is no failure')
  })

  it('is none if it holds something of another partition of the same leader', () => {
    const leader = new Leader()
    const first = leader.leases(one, 'c', 0)
    leader.leases(other, 'c', 0)
    expect(() => leader.ends(one, first, RETRY)).toThrow('among 2 of one leader')
  })

  it('but not if another leads that by now, or the leader does not serve it yet', () => {
    const leader = new Leader()
    const first = leader.leases(one, 'c', 0)
    leader.leases(other, 'c', 0)
    leader.hands.end(other, 2)
    leader.ends(one, first, RETRY)
    leader.begins(other, 3, leaseOf('c', 0))
    leader.ends(one, leader.leases(one, 'c', 0), RETRY)
  })

  it('nor once its broker lives under another life, in which it does not lead that', () => {
    const leader = new Leader()
    const first = leader.leases(one, 'c', 0)
    leader.leases(other, 'c', 0)
    leader.hands.lives(2)
    leader.ends(one, first, RETRY)
    leader.begins(other, 3, leaseOf('c', 0))
    leader.writes(other, leaseOf('d', 1), 3)
    const again = leader.leases(one, 'c', 0)
    expect(() => leader.ends(one, again, RETRY)).toThrow('among 2 of one leader')
  })

  it('nor is the last of those that it held when it fell silent', () => {
    const leader = new Leader()
    const first = leader.leases(one, 'c', 0)
    const second = leader.leases(other, 'c', 0)
    leader.ends(one, first, { type: 'suspected' })
    expect(() => leader.ends(other, second, RETRY)).toThrow('when it fell silent')
  })

  it('unless it was heard meanwhile', () => {
    const leader = new Leader()
    const first = leader.leases(one, 'c', 0)
    const second = leader.leases(other, 'c', 0)
    leader.ends(one, first, { type: 'suspected' })
    leader.ends(other, second, { type: 'extended', duration: 1 })
    leader.ends(other, second, RETRY)
  })

  it('what is given back may be a word of it or of the broker: either is right', () => {
    for (const change of [RETRY, { type: 'suspected' } as const]) {
      const leader = new Leader()
      const first = leader.leases(one, 'c', 0)
      const second = leader.leases(other, 'c', 0, 1)
      leader.ends(one, first, { type: 'suspected' })
      leader.ends(other, second, { type: 'released' })
      leader.ends(other, second, change, 1)
    }
  })

  it('a suspect goes to a consumer that holds nothing of any partition, and nothing goes to who holds one', () => {
    const leader = new Leader()
    const both = leader.leases(one, 'c', 0, 1)
    leader.ends(one, both, { type: 'suspected' })
    leader.leases(other, 'd', 0)
    expect(() => leader.leases(one, 'd', 0)).toThrow('suspect 0 goes to d')
    const another = new Leader()
    another.ends(one, another.leases(one, 'c', 0, 1), { type: 'suspected' })
    another.leases(one, 'd', 0)
    expect(() => another.leases(other, 'd', 1)).toThrow('d holds a suspect')
  })

  it('what a leader is given back that it wrote and lost is no decision', () => {
    const leader = new Leader()
    const first = leader.leases(one, 'c', 0)
    leader.leases(other, 'c', 0)
    leader.hands.died()
    leader.ends(one, first, RETRY)
  })
})
