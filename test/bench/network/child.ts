import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { Pool } from 'undici'
import { consume, paced, publish, soleConsumer, VALUE } from '../support/load.js'
import { Admin, Consumer, type ConsumerType, createBroker, Producer } from '../support/package.js'
import { connect, http } from '../support/package-http.js'

/** Of a broker, or of all in a cluster. */
type Address = string | readonly string[]

/** What a process of a network row can do. Each answers with plain data. */
const ROLES = {
  /** A broker in `directory`: says where it is. */
  async broker(directory: string) {
    const broker = await createBroker({ directory, transport: http({ port: 0 }) })
    return broker.url!
  },
  /** One of a cluster, `coordination` being ZooKeeper's address and the cluster's path: says where it is. */
  async member(directory: string, id: string, coordination: string) {
    // Here, for others need none of it.
    const { zookeeper } = await import('../support/package-zookeeper.js')
    const transport = http({ port: 0 })
    const broker = await createBroker({ directory, id, transport, coordination: zookeeper(coordination) })
    return broker.url!
  },
  /** Makes a topic of one partition, and waits until all of its replicas are in sync; says who leads it, and where. */
  async replicatedTopic(url: Address, topic: string, replicas: number) {
    const admin = new Admin(connect(url))
    await admin.createTopic(topic, { replicas, minInSync: Math.ceil((replicas + 1) / 2) })
    for (;;) {
      const [partition] = (await admin.describeTopic(topic)).partitions
      if (partition?.leader?.url && partition.inSync.length === replicas)
        return { id: partition.leader.id, url: partition.leader.url }
      await pause(50)
    }
  },
  /** Milliseconds for `count` messages, all acknowledged. */
  async publish(url: Address, topic: string, count: number) {
    const remote = connect(url)
    const producer = new Producer(remote)
    await producer.send(topic, VALUE)
    const began = performance.now()
    await publish(producer, topic, count)
    return performance.now() - began
  },
  /** Milliseconds from the first message to the last ack, of `count` messages of a group of one. */
  async consume(url: string, topic: string, group: string, count: number) {
    const remote = connect(url)
    const consumer = soleConsumer(remote, topic, group)
    const began = performance.now()
    await consume(consumer, count)
    return performance.now() - began
  },
  /** As one of several: takes what it gets until nothing more comes; how many, and when it began and ended. */
  async compete(url: string, topic: string, group: string) {
    const remote = connect(url)
    const consumer = new Consumer(remote, topic, { group })
    const began = Date.now()
    let taken = 0
    let last: Promise<void> | undefined
    let at = performance.now()
    const quiet = setInterval(() => {
      if (performance.now() - at > 1_000) void consumer.close()
    }, 50)
    for await (const message of consumer) {
      last = message.ack()
      taken++
      if (taken % 1_000 === 0) {
        await Promise.race([last, pause(0)])
      }
      at = performance.now()
    }
    clearInterval(quiet)
    await last
    return { taken, began, ended: performance.timeOrigin + at }
  },
  /** A server that reads a request and says ok: what any answer over HTTP costs. Says where it is. */
  async echoServer() {
    const server = createServer((request, response) => {
      request.resume()
      request.once('end', () => response.end('ok'))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  },
  /** Milliseconds of each of `count` requests to it, one at a time, by the carrier of our connections. */
  async echo(url: string, count: number) {
    const pool = new Pool(url)
    const body = Buffer.from(VALUE)
    const taken: number[] = []
    for (let i = 0; i < count + 500; i++) {
      const began = performance.now()
      await (await pool.request({ path: '/', method: 'POST', body })).body.arrayBuffer()
      if (i >= 500) taken.push(performance.now() - began)
    }
    await pool.close()
    return taken
  },
  /** A server that lets all requests hang, but `/wake/N`: with it N of them are answered. Says where it is. */
  async hangingServer() {
    const hanging: ServerResponse[] = []
    const server = createServer((request, response) => {
      request.resume()
      request.once('end', () => {
        const [, count] = /^\/wake\/(\d+)$/.exec(request.url!) ?? []
        if (count === undefined) return hanging.push(response)
        for (const one of hanging.splice(0, Number(count))) one.end(VALUE)
        return response.end()
      })
    })
    await new Promise<void>((resolve) =>
      server.listen({ port: 0, host: '127.0.0.1', backlog: 16_384 }, resolve),
    )
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  },
  /** Milliseconds of each round in which `count` of `asleep` requests to it are answered and sent again, by the carrier of our connections. */
  async hang(url: string, asleep: number, count: number, rounds: number) {
    const [waiting, brief] = [new Pool(url, { connections: null }), new Pool(url)]
    let left = 0
    let woken = () => {}
    const sleep = async (): Promise<void> => {
      await (await waiting.request({ path: '/', method: 'POST', body: VALUE })).body.arrayBuffer()
      if (--left === 0) woken()
      return sleep()
    }
    for (let i = 0; i < asleep; i++) {
      void sleep().catch(() => {})
      if (i % 100 === 0) await pause(10)
    }
    const taken: number[] = []
    for (let round = 0; round < rounds; round++) {
      await pause(1_000)
      left = count
      const all = new Promise<void>((resolve) => {
        woken = resolve
      })
      const began = performance.now()
      await (await brief.request({ path: `/wake/${count}`, method: 'POST' })).body.arrayBuffer()
      await all
      taken.push(performance.now() - began)
    }
    await Promise.all([waiting.destroy(), brief.destroy()])
    return taken
  },
  /** Milliseconds of each of `count` sends, one at a time. */
  async lone(url: Address, count: number, topic = 'lone') {
    const producer = new Producer(connect(url))
    for (let i = 0; i < 500; i++) await producer.send(topic, VALUE)
    const taken: number[] = []
    for (let i = 0; i < count; i++) {
      const began = performance.now()
      await producer.send(topic, VALUE)
      taken.push(performance.now() - began)
    }
    return taken
  },
  /** Milliseconds from send to hand at 1,000 messages a second; each is acked. */
  async endToEnd(url: Address, seconds: number) {
    const remote = connect(url)
    const producer = new Producer(remote)
    await producer.send('end', { at: 0 })
    const consumer = soleConsumer(connect(url), 'end', 'group')
    const taken: number[] = []
    const receive = async () => {
      let received = 0
      for await (const message of consumer) {
        const { at } = message.value as { at: number }
        if (received > 1_000) taken.push(performance.now() - at)
        void message.ack()
        if (++received > 1_000 * seconds) break
      }
    }
    const send = () =>
      paced(1_000, seconds, (due) => {
        for (let i = 0; i < due; i++) void producer.send('end', { at: performance.now(), filler: FILLER })
      })
    await Promise.all([receive(), send()])
    return taken
  },
  /** Falls asleep with `count` consumers. */
  async sleep(url: string, count: number) {
    const remote = connect(url)
    sender = new Producer(remote)
    await sender.send('sleep', VALUE)
    sleepers = Array.from({ length: count }, () => new Consumer(remote, 'sleep', { group: 'group' }))
    await (await sleepers[0]!.receive()).ack()
    received = sleepers.map((sleeper) => sleeper.receive())
    return count
  },
  /** Milliseconds until `count` of them have a message in hand. They ack it and sleep again. */
  async wake(count: number) {
    await sender!.send('warm', VALUE)
    const woken: [number, Awaited<(typeof received)[number]>][] = []
    let began = 0
    const ended = await new Promise<number>((resolve) => {
      received.forEach((one, sleeper) => {
        void one.then((message) => {
          if (woken.push([sleeper, message]) === count) resolve(performance.now())
        })
      })
      began = performance.now()
      for (let i = 0; i < count; i++) void sender!.send('sleep', VALUE)
    })
    await Promise.all(woken.map(([, message]) => message.ack()))
    for (const [sleeper] of woken) received[sleeper] = sleepers[sleeper]!.receive()
    return ended - began
  },
  /** Sends at a steady rate until it is stopped. */
  async steadyStart(url: string, topic: string, perSecond: number) {
    const producer = new Producer(connect(url))
    await producer.send(topic, VALUE)
    const began = performance.now()
    let sent = 1
    const timer = setInterval(() => {
      // Not more than a second's worth at once, however long this process was held up.
      const due = Math.min(perSecond, Math.floor(((performance.now() - began) / 1_000) * perSecond) - sent)
      for (let i = 0; i < due; i++) void producer.send(topic, VALUE)
      sent += Math.max(0, due)
    }, 5)
    stopSending = async () => {
      clearInterval(timer)
      await producer.close()
      return sent
    }
  },
  steadyStop: () => stopSending(),
  /** Sends every 10 ms until it is stopped; then says the longest time without an answer (ms), and how many sends failed. */
  async watchStart(url: Address, topic: string) {
    const producer = new Producer(connect(url))
    await producer.send(topic, VALUE)
    const seen = { longest: 0, failed: 0 }
    let at = performance.now()
    const answered = () => {
      seen.longest = Math.max(seen.longest, performance.now() - at)
      at = performance.now()
    }
    const failed = () => void seen.failed++
    const timer = setInterval(() => void producer.send(topic, VALUE).then(answered, failed), 10)
    stopWatching = async () => {
      clearInterval(timer)
      await producer.close()
      return seen
    }
  },
  watchStop: () => stopWatching(),
  /** Consumes and acks until it is finished. */
  async steadyConsume(url: string, topic: string) {
    const consumer = soleConsumer(connect(url), topic, 'group')
    void (async () => {
      for await (const message of consumer) {
        if (message.offset < next) repeated++
        else next = message.offset + 1
        taken++
        void message.ack()
      }
    })()
  },
  async steadyTaken() {
    return { taken, repeated }
  },
  /** Waits until `count` are taken. */
  async steadyFinish(count: number) {
    for (const began = performance.now(); taken < count && performance.now() - began < 60_000; )
      await pause(50)
    return { taken, repeated }
  },
  /** Bytes of this process, after a collection. */
  async memory() {
    ;(globalThis as { gc?: () => void }).gc?.()
    await pause(100)
    return process.memoryUsage().rss
  },
}

const FILLER = 'portal-mq '.repeat(6)
let stopSending = async () => 0
let stopWatching = async () => ({ longest: 0, failed: 0 })
let taken = 0
let repeated = 0
let next = 0
let sleepers: ConsumerType[] = []
let received: ReturnType<ConsumerType['receive']>[] = []
let sender: InstanceType<typeof Producer> | undefined

export type Roles = typeof ROLES

process.on('message', async ({ role, args }: { role: keyof Roles; args: never[] }) => {
  try {
    const value = await (ROLES[role] as (...given: never[]) => Promise<unknown>)(...args)
    process.send!({ value })
  } catch (error) {
    process.send!({ error: error instanceof Error ? error.stack : String(error) })
  }
})
// The row has ended: so does this.
process.on('disconnect', () => process.exit())
