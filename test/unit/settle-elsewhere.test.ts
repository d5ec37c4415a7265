import { expect, test } from 'vitest'
import { settle } from '../../src/broker/consume-service.js'
import { Topic } from '../../src/broker/topic.js'
import { PortalError } from '../../src/core/errors.js'

const document = {
  id: 't',
  name: 'orders',
  createdAt: 0,
  partitions: 1,
  config: {
    replicas: 3,
    minInSync: 2,
    maxMessageBytes: 1_000,
    retention: { after: 1, age: undefined, bytes: undefined },
    dedupe: { window: 1, ids: 1 },
  },
} as unknown as ConstructorParameters<typeof Topic>[0]

test('a broker that does not lead the partition says so, and not that the group is gone: the lease may be alive with the leader', async () => {
  const elsewhere = () => {
    throw new PortalError('NOT_LEADER', 'Another broker leads it.')
  }
  const token = { epoch: 1, index: 4, slot: 0 }
  const settlements = [
    { partition: 0, token, outcome: 'ack' as const, ranges: [0, 1], delay: undefined, reason: undefined },
  ]
  const request = { topicId: 't', group: 'workers', generation: 1, consumer: 'c', number: 1, settlements }
  const settling = settle(new Topic(document), elsewhere, request, false)
  await expect(settling).rejects.toMatchObject({ code: 'NOT_LEADER' })
})
