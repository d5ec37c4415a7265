import { expect, it } from 'vitest'
import { ClusterEstate, type ClusterEstateParts } from '../../src/broker/cluster/cluster-estate.js'
import { type AdminHost, TopicAdmin } from '../../src/broker/topic-admin.js'
import { Turns } from '../../src/broker/turns.js'
import type { TopicDocument } from '../../src/coordination/documents.js'
import { virtualRuntime } from '../../src/runtime/virtual.js'

it('a topic that another broker has made and that was deleted before it could be read is made', async () => {
  const runtime = virtualRuntime()
  let tries = 0
  const host = {
    runtime,
    hosting: { findByName: () => undefined },
    metadata: {
      createTopic: async (document: TopicDocument) => (++tries === 1 ? undefined : document),
      readTopic: async () => undefined,
    },
    estate: { defaults: { replicas: 1 }, maxReplicas: 1, place: () => [], created: async () => 'made' },
  } as unknown as AdminHost
  const admin = new TopicAdmin(host, new Turns())
  expect(await runtime.runUntil(admin.ensureTopic('orders'))).toBe('made')
})

it('who waits for a topic at a broker that stops is told to ask another', async () => {
  const runtime = virtualRuntime()
  const ending = new AbortController()
  const hosting = { topicById: () => undefined, onceTopic: () => () => {} }
  const parts = { runtime, hosting, cluster: { replicas: 1 }, ending: ending.signal }
  const estate = new ClusterEstate(parts as unknown as ClusterEstateParts)
  const waiting = estate.created({ id: 't', name: 'orders' } as TopicDocument)
  ending.abort()
  await expect(runtime.runUntil(waiting)).rejects.toMatchObject({ code: 'DISCONNECTED' })
})
