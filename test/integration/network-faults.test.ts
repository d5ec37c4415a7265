import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { connect } from '../../src/connect-node.js'
import { type Broker, type Connection, Consumer, type Message, Producer, Reader } from '../../src/index.js'
import type { Fault, FaultProxy, FaultyRequest } from '../../src/testing/fault-proxy.js'
import { faultProxy } from '../../src/testing/fault-proxy.js'
import { http } from '../../src/transport/http/http.js'
import { bundleProgram } from '../support/bundle.js'
import {
  LogBook,
  numbers,
  openBroker,
  sendNumbers,
  temporaryDirectory,
  untilClosed,
} from './support/broker.js'
import { startChild } from './support/child.js'

const isProduce = ({ path }: FaultyRequest) => path === '/messages'
const isSettle = ({ path }: FaultyRequest) => path.endsWith('/settle')
const isReceive = ({ path }: FaultyRequest) => path.endsWith('/receive')

async function openServer(port = 0, directory?: string): Promise<Broker> {
  return openBroker({ ...(directory ? { directory } : {}), transport: http({ port, logger: new LogBook() }) })
}

function connectTo(url: string, timeout = 10_000) {
  const remote = connect(url, { timeout, logger: new LogBook() })
  onTestFinished(() => remote.close())
  return remote
}

async function openProxy(broker: Broker, seed = 1): Promise<FaultProxy> {
  const proxy = await faultProxy({ target: broker.url!, seed })
  onTestFinished(() => proxy.close())
  return proxy
}

/** All values in a topic, in their order. */
async function valuesIn<T>(broker: Connection, topic: string): Promise<T[]> {
  const values: T[] = []
  for await (const message of new Reader<T>(broker, topic, { live: false })) values.push(message.value)
  return values
}

/** Several lanes, each a producer behind a proxy of its own, step through what `faultAt` says until a message was too short for it. */
async function stepThrough(broker: Broker, topic: string, faultAt: (step: number) => Fault): Promise<number> {
  const LANES = 12
  let next = 0
  let isOver = false
  const lane = async (): Promise<void> => {
    const proxy = await openProxy(broker)
    const remote = connectTo(proxy.url)
    const producer = new Producer(remote)
    // The topic is found before the steps, so that every step is one request.
    await producer.send(topic, -1)
    while (!isOver) {
      const step = next++
      const report = proxy.inject(faultAt(step), isProduce)
      const { duplicate } = await producer.send(topic, step)
      expect(duplicate).toBe(false)
      if (!(await report).carriedOut) isOver = true
    }
    await producer.close()
    await remote.close()
    await proxy.close()
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  const values = (await valuesIn<number>(broker, topic)).filter((value) => value >= 0)
  expect(values.sort((a, b) => a - b)).toEqual(numbers(next))
  return next
}

describe('a send is stored once, and resolves', () => {
  it('when its request is cut after any byte', async () => {
    const steps = await stepThrough(await openServer(), 't', (after) => ({ type: 'cut-request', after }))
    expect(steps).toBeGreaterThan(150)
  })

  it('when its answer is cut after any byte', async () => {
    const steps = await stepThrough(await openServer(), 't', (after) => ({ type: 'cut-answer', after }))
    expect(steps).toBeGreaterThan(100)
  })

  it('when requests and answers are lost, late, doubled and cut at random, under load', async () => {
    const broker = await openServer()
    const proxy = await openProxy(broker, 11)
    const remote = connectTo(proxy.url)
    const producer = new Producer(remote)
    await producer.send('t', -1)
    proxy.always((request, random) => {
      if (!isProduce(request)) return undefined
      const faults: Fault[] = [
        { type: 'swallow' },
        { type: 'duplicate', after: random() * 20 },
        { type: 'delay', request: random() * 20, answer: random() * 20 },
        { type: 'cut-request', after: Math.floor(random() * 600) },
        { type: 'cut-answer', after: Math.floor(random() * 250) },
      ]
      return faults[Math.floor(random() * 10)]
    })
    for (let at = 0; at < 400; at += 10) {
      await Promise.all(numbers(10).map((one) => producer.send('t', at + one)))
    }
    proxy.always(undefined)
    await producer.close()
    // A copy may still be on its way: it must change nothing.
    const values = (await valuesIn<number>(broker, 't')).slice(1)
    expect(values).toEqual(numbers(400))
  })

  it('when the answer never comes and the connection stays', async () => {
    const broker = await openServer()
    const proxy = await openProxy(broker)
    const remote = connectTo(proxy.url, 400)
    const producer = new Producer(remote)
    await producer.send('t', 0)
    void proxy.inject({ type: 'swallow', hang: true }, isProduce)
    await producer.send('t', 1)
    await producer.close()
    expect(await valuesIn(broker, 't')).toEqual([0, 1])
  })

  it('when the network is dark for a while', async () => {
    const broker = await openServer()
    const proxy = await openProxy(broker)
    const remote = connectTo(proxy.url, 300)
    const producer = new Producer(remote)
    const gone = new Promise((resolve) => remote.once('disconnect', resolve))
    const back = new Promise<{ away: number }>((resolve) => remote.once('connect', resolve))
    await producer.send('t', 0)
    proxy.goDark()
    const sent = producer.send('t', 1)
    await gone
    await proxy.pass()
    await sent
    expect((await back).away).toBeGreaterThan(0)
    await producer.close()
    expect(await valuesIn(broker, 't')).toEqual([0, 1])
  })
})

describe('a consumer over a bad network', () => {
  it('an ack whose answer was lost, late or doubled reads as success, and is not delivered again', async () => {
    const broker = await openServer()
    await sendNumbers(broker, 't', 40)
    const proxy = await openProxy(broker)
    const remote = connectTo(proxy.url)
    const faults: Fault[] = [
      { type: 'swallow' },
      { type: 'duplicate' },
      { type: 'delay', answer: 30 },
      { type: 'cut-answer', after: 30 },
    ]
    const consumer = new Consumer<number>(remote, 't', { lease: 60_000 })
    const counts: number[] = []
    for (let at = 0; at < 40; at++) {
      const message = await consumer.receive()
      counts.push(message.deliveryCount)
      const report = proxy.inject(faults[at % faults.length]!, isSettle)
      await message.ack()
      expect(await report).toMatchObject({ carriedOut: true })
    }
    expect(counts).toEqual(Array(40).fill(1))
    expect(await consumer.receive({ timeout: 50 })).toBeNull()
    await consumer.close()
  })

  it('a receive whose answer was lost costs no delivery and does not wait for the lease', async () => {
    const broker = await openServer()
    await sendNumbers(broker, 't', 12)
    const proxy = await openProxy(broker)
    const remote = connectTo(proxy.url)
    const consumer = new Consumer<number>(remote, 't', { lease: 600_000 })
    const seen: number[] = []
    for (let at = 0; at < 12; at++) {
      const report = proxy.inject(at % 2 ? { type: 'swallow' } : { type: 'cut-answer', after: 20 }, isReceive)
      const message = await consumer.receive()
      expect(message.deliveryCount).toBe(1)
      seen.push(message.value)
      expect(await report).toMatchObject({ carriedOut: true })
      await message.ack()
    }
    expect(seen.sort((a, b) => a - b)).toEqual(numbers(12))
    await consumer.close()
  })

  it('keeps its leases while it is away shortly, and its loop goes on by itself', async () => {
    const broker = await openServer()
    await sendNumbers(broker, 't', 200)
    const proxy = await openProxy(broker)
    const remote = connectTo(proxy.url)
    const consumer = new Consumer<number>(remote, 't', { lease: 60_000 })
    const counts = new Map<number, number[]>()
    const done = consumer.run(
      async (message) => {
        counts.set(message.value, [...(counts.get(message.value) ?? []), message.deliveryCount])
        if (message.value % 40 === 20) proxy.cut()
        if (message.value === 90) {
          await proxy.refuse()
          await proxy.pass()
        }
      },
      { concurrency: 4 },
    )
    await expect.poll(() => counts.size, { timeout: 30_000 }).toBe(200)
    await consumer.drain()
    await consumer.close()
    await done
    // Each once, and for the first time: nothing was lost with a connection.
    expect([...counts.values()]).toEqual(Array(200).fill([1]))
  })

  it('a stream that is cut anywhere loses and repeats nothing', async () => {
    const broker = await openServer()
    await sendNumbers(broker, 't', 600)
    const proxy = await openProxy(broker, 5)
    proxy.always(({ path }, random) =>
      path.endsWith('/stream')
        ? { type: 'cut-answer', after: 150 + Math.floor(random() * 1_500) }
        : undefined,
    )
    const remote = connectTo(proxy.url)
    const consumer = new Consumer<number>(remote, 't', { lease: 600_000, prefetch: 20 })
    const counts = new Map<number, number[]>()
    const done = consumer.run(
      async (message) =>
        void counts.set(message.value, [...(counts.get(message.value) ?? []), message.deliveryCount]),
      { concurrency: 4 },
    )
    await expect.poll(() => counts.size, { timeout: 60_000 }).toBe(600)
    await consumer.close()
    await done
    expect([...counts.values()].every((one) => one.length === 1 && one[0] === 1)).toBe(true)
  })
})

/** A broker that can be ended and started again at the same port, on the same directory. */
interface Restartable {
  readonly url: string
  end(): Promise<unknown>
}

const restartables = {
  stopped: async (directory: string, port: number): Promise<Restartable> => {
    const broker = await openServer(port, directory)
    return { url: broker.url!, end: () => broker.close() }
  },
  killed: async (directory: string, port: number): Promise<Restartable> => {
    const child = startChild(program, directory, `${port}`)
    const url = (await child.said('listening ')).slice('listening '.length)
    return {
      url,
      end: () => {
        child.kill()
        return child.ended
      },
    }
  },
}

let program: string
beforeAll(async () => {
  program = await bundleProgram('test/integration/network/child.ts', 'network-broker')
})
afterAll(() => rm(program, { force: true }))

describe.each(['stopped', 'killed'] as const)('a broker that is %s and started under load', (way) => {
  it('loses nothing that was acknowledged, stores nothing twice, and has all its clients back within 2 s', async () => {
    const directory = await temporaryDirectory()
    const start = restartables[way]
    let broker = await start(directory, 0)
    const { url } = broker
    const port = Number(new URL(url).port)
    const remote = connectTo(url)
    const events: string[] = []
    const back: number[] = []
    let startedAt = 0
    remote.on('disconnect', () => void events.push('disconnect'))
    remote.on('connect', () => {
      events.push('connect')
      back.push(performance.now() - startedAt)
    })

    const producer = new Producer(remote)
    const stored = new Map<number, number>()
    const acked = new Set<number>()
    const again: number[] = []
    let lastSent = 0
    let lastAcked = 0
    let isOver = false
    let sent = 0
    const send = async () => {
      while (!isOver) {
        const value = sent++
        const { offset } = await producer.send('load', value)
        expect(stored.has(offset)).toBe(false)
        stored.set(offset, value)
        lastSent = performance.now()
      }
    }
    const sending = Promise.all(numbers(16).map(send))
    const consumer = new Consumer<number>(remote, 'load', { lease: 60_000 })
    const work = async (message: Message<number>) => {
      if (acked.has(message.value)) again.push(message.value)
      await message.ack()
      acked.add(message.value)
      lastAcked = performance.now()
    }
    const consuming = untilClosed(consumer.run(work, { concurrency: 8 }))
    await expect.poll(() => Math.min(stored.size, acked.size), { timeout: 20_000 }).toBeGreaterThan(100)

    for (let round = 0; round < 4; round++) {
      await broker.end()
      const before = [stored.size, acked.size]
      broker = await start(directory, port)
      startedAt = performance.now()
      const isBack = () =>
        stored.size > before[0]! && acked.size > before[1]! && lastSent > startedAt && lastAcked > startedAt
      await expect.poll(isBack, { timeout: 10_000, interval: 5 }).toBe(true)
      expect(performance.now() - startedAt).toBeLessThan(2_000)
    }
    isOver = true
    await sending
    await producer.close()
    await expect.poll(() => acked.size, { timeout: 20_000 }).toBe(stored.size)
    await consumer.close()
    await consuming

    expect(again).toEqual([])
    expect(events.slice(0, 2)).toEqual(['disconnect', 'connect'])
    expect(back.length).toBeGreaterThanOrEqual(4)
    const log = await valuesIn<number>(remote, 'load')
    expect(new Set(log).size).toBe(log.length)
    expect(log.length).toBe(sent)
    for (const [offset, value] of stored) expect(log[offset]).toBe(value)
  })
})
