import { describe, expect, it } from 'vitest'
import { ClusterLedger } from './cluster-ledger.js'

const KEY = 'plain/0 workers 7'
const death = { topic: 'plain', partition: 0, group: 'workers', offset: 7, key: KEY }

/** A message of a group has died, and was settled as dead. */
function ledger(mayDiscard = false): ClusterLedger {
  const disks = { holders: () => 3, minInSync: () => 2, reveal: () => {}, mayDiscard: () => mayDiscard }
  const made = new ClusterLedger({ now: () => 0, maxDeliveries: () => 3 }, disks)
  made.audit('id/0').deaths.died.set(KEY, 1)
  made.audit('id/0').deaths.buried.set(KEY, 1)
  return made
}

describe('dead letters (invariant 23)', () => {
  it('one that is missing is found', () => {
    expect(() => ledger().checkDeaths()).toThrow('[23]')
  })

  it('one that was written to a topic that was deleted is not missed', () => {
    const made = ledger()
    made.copied(death, 'dead')
    expect(() => made.checkDeaths()).toThrow('[23]')
    made.bury('dead')
    made.checkDeaths()
  })

  it('of a group that discarded its dead for a while none is missed', () => {
    ledger(true).checkDeaths()
  })

  it('two in one topic are found, one in each of two are not', () => {
    const made = ledger()
    made.audit('dead/0').deaths.copied.set(KEY, 1)
    made.audit('graves/0').deaths.copied.set(KEY, 1)
    made.checkDeaths()
    made.audit('graves/0').deaths.copied.set(KEY, 2)
    expect(() => made.checkDeaths()).toThrow('[23]')
  })
})
