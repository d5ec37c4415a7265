import { expect, it } from 'vitest'
import type { StoredEntry } from '../../src/core/entry.js'
import type { EntryBody } from '../../src/core/entry-body.js'
import { LeaseTimes } from './lease-times.js'

/** A lease for 500 ms, which the entry 1 of epoch 0 grants at 1,000. */
function leased() {
  const times = new LeaseTimes()
  const writes = (epoch: number, index: number, decidedAt: number, body: unknown) =>
    times.appended('t/0', { epoch, index } as StoredEntry, body as EntryBody, decidedAt)
  const lease = { epoch: 0, index: 1, slot: 0 }
  const settles = (change: object) => ({
    kind: 'settle',
    items: [{ group: 'g', lease, change, ranges: [7, 8] }],
  })
  writes(0, 1, 1_000, { kind: 'acquire', grants: [{ group: 'g', duration: 500, ranges: [7, 8] }] })
  return {
    begins: (epoch: number, index: number) => writes(epoch, index, 0, { kind: 'epoch', leader: 'a' }),
    extends: (epoch: number, index: number, at: number) =>
      writes(epoch, index, at, settles({ type: 'extended', duration: 1_000 })),
    ends: (epoch: number, index: number, at: number) => () =>
      writes(epoch, index, at, settles({ type: 'suspected' })),
  }
}

it('a lease does not end without a word before its time, nor before that of its extension [20]', () => {
  expect(leased().ends(0, 2, 1_400)).toThrow('100 ms before its time')
  expect(leased().ends(0, 2, 1_500)).not.toThrow()
  const lease = leased()
  lease.extends(0, 2, 1_400)
  lease.begins(1, 3)
  expect(lease.ends(1, 4, 1_500)).toThrow('900 ms before its time')
})

it('an extension that the next leader does not have counts for nothing, whenever it was written', () => {
  const lease = leased()
  lease.extends(0, 2, 1_400)
  lease.begins(1, 2)
  // It does not know yet that it leads no more.
  lease.extends(0, 3, 1_450)
  expect(lease.ends(1, 3, 1_500)).not.toThrow()
  expect(lease.ends(1, 4, 1_450)).toThrow('50 ms before its time')
})
