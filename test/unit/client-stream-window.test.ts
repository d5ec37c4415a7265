import { describe, expect, it } from 'vitest'
import { Consumer } from '../../src/client/consumer/consumer.js'
import { StreamFeed } from '../../src/client/consumer/stream-feed.js'
import { CONNECTION } from '../../src/protocol/connection.js'
import type { BrokerService, StreamService } from '../../src/protocol/service.js'
import { ReceiveStreams } from '../../src/routing/receive-streams.js'
import { type VirtualRuntime, virtualRuntime } from '../../src/runtime/virtual.js'
import { fakeConnection } from './client-support/fake-connection.js'
import { FakeQueue } from './client-support/fake-queue.js'

/** A consumer that listens to a stream of a queue. */
function setUp() {
  const runtime = virtualRuntime()
  const queue = new FakeQueue(runtime)
  const streams = new ReceiveStreams(runtime)
  const { receive, settle } = queue.service
  const service: Partial<BrokerService & StreamService> = {
    ...queue.service,
    receiveStream: (request, call = {}) => streams.run(request, receive!, call),
    addCredit: async (credit) => streams.raise(credit),
    settle(request) {
      if (request.credit) streams.raise(request.credit)
      return settle!(request)
    },
    endStream: async ({ stream }) => streams.end(stream),
  }
  const connection = fakeConnection(service, runtime)
  Object.assign(connection[CONNECTION], {
    feed: (fed: ConstructorParameters<typeof StreamFeed>[0]) => new StreamFeed(fed),
  })
  return { runtime, queue, consumer: new Consumer<number>(connection, 't') }
}

const sleep = (runtime: VirtualRuntime, milliseconds: number) =>
  new Promise<void>((resolve) => void runtime.timers.setTimeout(resolve, milliseconds))

/** Takes `count` messages, `handling` milliseconds each. */
async function take(consumer: Consumer<number>, count: number, handling: () => Promise<void>): Promise<void> {
  let taken = 0
  for await (const message of consumer) {
    await handling()
    void message.ack()
    if (++taken === count) break
  }
}

describe('the prefetch of a stream', () => {
  it('grows until the consumer never waits, however its acks are spread', async () => {
    const { runtime, queue, consumer } = setUp()
    queue.latency = 25
    queue.fill(3_000)
    const began = runtime.clock.monotonic()
    await runtime.runUntil(take(consumer, 3_000, () => sleep(runtime, 1)))
    // 3,000 ms of handling, and what it takes to find out how many to ask for.
    expect(runtime.clock.monotonic() - began).toBeLessThan(4_000)
  })

  it('does not grow while the broker has no more than it sends', async () => {
    const { runtime, queue, consumer } = setUp()
    queue.latency = 2
    queue.fill(500)
    for (const slot of queue.slots) slot.state = 'waiting'
    const taking = take(consumer, 500, () => sleep(runtime, 1))
    for (const slot of queue.slots) {
      await runtime.advance(20)
      slot.state = 'free'
      queue.fill(0)
    }
    await runtime.runUntil(taking)
    expect(Math.max(...queue.receives.map(({ maxMessages }) => maxMessages))).toBeLessThanOrEqual(2)
  })
})
