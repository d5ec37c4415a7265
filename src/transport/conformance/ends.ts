import {
  ensure,
  equal,
  rejection,
  signpost,
  type TransportConformanceCase,
  transportCase,
} from './support.js'

/** Listeners that stop, and what becomes of the calls. */
export const endCases: readonly TransportConformanceCase[] = [
  transportCase('calls under way when the listener closes reject with DISCONNECTED', async ({ serve }) => {
    const both = signpost()
    let underWay = 0
    const sleep = () => {
      if (++underWay === 2) both.pass()
      return new Promise<never>(() => {})
    }
    const { remote, listener } = await serve({ describeCluster: sleep, findTopic: sleep })
    const calls = [remote.describeCluster(), remote.findTopic({ name: 'n', wait: 20_000 })].map((call) =>
      rejection(call, 'DISCONNECTED', 'a call under way'),
    )
    await both.reached
    await listener.close()
    for (const error of await Promise.all(calls)) ensure(error.retriable, 'it may be tried again')
  }),

  transportCase(
    'calls after the listener has closed reject with DISCONNECTED',
    async ({ serve, transport }) => {
      const { remote, listener } = await serve({ listTopics: async () => [] })
      equal(await remote.listTopics(), [], 'the call before')
      await listener.close()
      for (const late of [remote, transport.connect(listener.address)]) {
        for (let time = 0; time < 2; time++) {
          const error = await rejection(late.listTopics(), 'DISCONNECTED', 'a call after the close')
          ensure(error.retriable, 'it may be tried again')
        }
      }
    },
  ),

  transportCase('a listener may be closed twice, also at the same time', async ({ serve }) => {
    const { listener } = await serve({})
    await Promise.all([listener.close(), listener.close()])
    await listener.close()
  }),

  transportCase('connecting is possible before anything is called', async ({ transport, serve }) => {
    const { listener } = await serve({ listTopics: async () => [] })
    const remotes = [transport.connect(listener.address), transport.connect(listener.address)]
    for (const remote of remotes) equal(await remote.listTopics(), [], 'the topics')
  }),

  transportCase('a service listens again after a stop, beside others', async ({ serve }) => {
    const first = await serve({ listTopics: async () => [{ name: 'first', id: '1', partitions: 1 }] })
    const second = await serve({ listTopics: async () => [{ name: 'second', id: '2', partitions: 1 }] })
    ensure(first.listener.address !== second.listener.address, 'each has an address of its own')
    await first.listener.close()
    const third = await serve({ listTopics: async () => [{ name: 'third', id: '3', partitions: 1 }] })
    equal((await second.remote.listTopics())[0]!.name, 'second', 'the one that stayed')
    equal((await third.remote.listTopics())[0]!.name, 'third', 'the one that came')
  }),
]
