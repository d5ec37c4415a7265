import { expect, test } from 'vitest'
import { onceTold } from '../../src/broker/cluster/once-told.js'
import { PortalError } from '../../src/core/errors.js'
import type { BrokerService } from '../../src/protocol/service.js'

const gone = async () => {
  throw new PortalError('TOPIC_NOT_FOUND', 'It is not known here.')
}

async function* goneStream() {
  yield await gone()
}

const service = { read: gone, describeTopic: gone, joinGroup: gone, receiveStream: goneStream }

const requests = [
  ['read', { topicId: 't' }],
  ['receiveStream', { topicId: 't' }],
  ['describeTopic', { name: 'orders' }],
  ['joinGroup', { topic: 'orders' }],
] as const

async function ask(method: (typeof requests)[number][0], request: object, isThere: () => Promise<boolean>) {
  const asked: object[] = []
  const told = onceTold(service as unknown as BrokerService, (topic) => {
    asked.push(topic)
    return isThere()
  })
  const calls = told as unknown as Record<
    string,
    (request: object) => Promise<unknown> & AsyncIterable<unknown>
  >
  const answer = calls[method]!(request)
  const error = await (method === 'receiveStream' ? answer[Symbol.asyncIterator]().next() : answer).catch(
    (thrown: unknown) => thrown,
  )
  return { error, asked }
}

test.each(requests)(
  '%s: a topic that this broker has not been told of is not gone',
  async (method, request) => {
    const { error, asked } = await ask(method, request, async () => true)
    expect(error).toMatchObject({ code: 'DISCONNECTED' })
    expect(asked).toEqual([method === 'joinGroup' ? { name: 'orders' } : request])
  },
)

test.each(requests)('%s: a topic that nobody has is', async (method, request) => {
  expect(await ask(method, request, async () => false)).toMatchObject({ error: { code: 'TOPIC_NOT_FOUND' } })
})

test.each(requests)('%s: nobody knows while nobody can say', async (method, request) => {
  const isThere = async () => {
    throw new PortalError('DISCONNECTED', 'The coordination service cannot be reached now.')
  }
  expect(await ask(method, request, isThere)).toMatchObject({ error: { code: 'DISCONNECTED' } })
})
