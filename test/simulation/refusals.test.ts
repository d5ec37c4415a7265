import { expect, it } from 'vitest'
import type { StoredEntry } from '../../src/core/entry.js'
import { PortalError } from '../../src/core/errors.js'
import type { BrokerService, ProduceResult } from '../../src/protocol/service.js'
import { Refusals } from './refusals.js'

/** A broker that appends the first batch of a request, and says this of all. Resolves to what is wrong with that. */
async function violations(result: ProduceResult, appends: boolean): Promise<string[]> {
  const found: string[] = []
  const refusals = new Refusals(({ message }) => found.push(message))
  const produce: BrokerService['produce'] = async ({ batches }) => {
    const entry = { index: 7, epoch: 1, payload: batches[0]!.records } as unknown as StoredEntry
    if (appends) refusals.appended('t/0', entry)
    return { results: batches.map(() => result) }
  }
  const service = refusals.watch('a', { produce } as unknown as BrokerService)
  // The same once more: another try, which is not appended.
  const batches = [0, 1].map(() => ({ topicId: 't', partition: 0, records: new Uint8Array([1]) }))
  await service.produce({ acks: 'all', batches })
  return found
}

const notLeader = { error: new PortalError('NOT_LEADER', 'Another leads.') }
const undecided = { error: new PortalError('TIMEOUT', 'Another came to lead before.') }

it('finds a leader that says of what it has appended that it is not stored', async () => {
  expect(await violations(notLeader, true)).toEqual([
    '[16] a says NOT_LEADER of a batch that it has appended: t/0 7@1',
  ])
})

it('lets it refuse what it has not appended, and say of what it has that nobody knows', async () => {
  expect(await violations(notLeader, false)).toEqual([])
  expect(await violations(undecided, true)).toEqual([])
})
