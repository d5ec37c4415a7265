import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { Admin, Consumer, Lock, Producer } from '../../src/index.js'
import { type Site, startChromium, startSite } from './support.js'

/** What the page holds: the functions given to `evaluate` run there. */
declare const mq: typeof import('../../src/client.js')
declare const remote: import('../../src/client.js').RemoteConnection

const NUMBERS = Array.from({ length: 200 }, (_, at) => at)

let chromium: BrowserContext
beforeAll(async () => {
  chromium = await startChromium()
})
afterAll(() => chromium?.close())

/** A page on a broker of its own. What goes wrong in it fails the test. */
async function openPage(): Promise<{ page: Page; site: Site }> {
  const site = await startSite()
  const page = await chromium.newPage()
  const failures: Error[] = []
  page.on('pageerror', (error) => failures.push(error))
  await page.goto(site.url)
  await page.waitForFunction(() => 'remote' in globalThis)
  onTestFinished(async () => {
    await page.evaluate(() => remote.close())
    await page.close()
    expect(failures).toEqual([])
  })
  return { page, site }
}

describe('in a browser, portal-mq/client', () => {
  it('publishes and consumes whatever can be sent', async () => {
    const { page, site } = await openPage()
    const received = await page.evaluate(async () => {
      const producer = new mq.Producer(remote)
      await producer.send(
        'things',
        { celsius: 21.4, place: 'Zürich ⛅' },
        { key: 'roof', headers: { source: 'page' } },
      )
      await producer.sendBatch('things', [{ value: 'text' }, { value: Uint8Array.of(0, 128, 255) }])
      const again = await Promise.all([1, 2].map(() => producer.send('things', 'once', { id: 'only-one' })))
      const consumer = new mq.Consumer(remote, 'things', { group: 'page' })
      const messages = []
      while (messages.length < 4) {
        const { value, key, headers, deliveryCount, ...message } = await consumer
          .receive()
          .then(async (one) => {
            await one.ack()
            return {
              offset: one.offset,
              value: one.value,
              key: one.key,
              headers: one.headers,
              deliveryCount: one.deliveryCount,
            }
          })
        messages.push({
          ...message,
          value: value instanceof Uint8Array ? [...value] : value,
          key,
          headers,
          deliveryCount,
        })
      }
      await consumer.close()
      await producer.close()
      return { messages, duplicates: again.filter(({ duplicate }) => duplicate).length }
    })
    expect(received.duplicates).toBe(1)
    expect(received.messages.map(({ value }) => value)).toEqual([
      { celsius: 21.4, place: 'Zürich ⛅' },
      'text',
      [0, 128, 255],
      'once',
    ])
    expect(received.messages[0]).toMatchObject({
      offset: 0,
      key: 'roof',
      headers: { source: 'page' },
      deliveryCount: 1,
    })
    const { partitions } = await new Admin(site.broker).describeGroup('things', 'page')
    expect(partitions[0]).toMatchObject({ floor: 4, lag: 0 })
  })

  it('works off a queue with handlers that fail, together with a consumer in the broker’s process', async () => {
    const { page, site } = await openPage()
    const producer = new Producer(site.broker)
    await producer.sendBatch(
      'jobs',
      NUMBERS.map((value) => ({ value })),
    )
    await new Admin(site.broker).createGroup('jobs', 'workers', { backoff: { initial: 1, max: 1 } })
    const here: number[] = []
    const local = new Consumer<number>(site.broker, 'jobs', { group: 'workers' })
    const running = local.run(async ({ value }) => void here.push(value))
    const there = await page.evaluate(async () => {
      const consumer = new mq.Consumer<number>(remote, 'jobs', { group: 'workers' })
      const admin = new mq.Admin(remote)
      const done: number[] = []
      const failing = consumer.run(
        async ({ value, deliveryCount }) => {
          if (value % 50 === 0 && deliveryCount === 1) throw new Error('not at first')
          done.push(value)
        },
        { concurrency: 4 },
      )
      const lag = async () => (await admin.describeGroup('jobs', 'workers')).partitions[0]!.lag
      while ((await lag()) > 0);
      await consumer.close()
      await failing
      return done
    })
    await local.close()
    await running
    expect([...here, ...there].sort((one, other) => one - other)).toEqual(NUMBERS)
  })

  it('follows a topic, from what is there to what is still to come', async () => {
    const { page, site } = await openPage()
    const producer = new Producer(site.broker)
    await producer.send('news', 'before')
    const reading = page.evaluate(async () => {
      const values = []
      for await (const { value } of new mq.Reader(remote, 'news', { live: true })) {
        values.push(value)
        if (value === 'first') await new mq.Producer(remote).send('seen', 'first')
        if (values.length === 3) break
      }
      return values
    })
    await producer.send('news', 'first')
    // The page has seen that: it waits for the next.
    await new Consumer(site.broker, 'seen').receive()
    await producer.send('news', 'second')
    expect(await reading).toEqual(['before', 'first', 'second'])
  })

  it('holds a lock against others, and gives it up', async () => {
    const { page, site } = await openPage()
    const lock = new Lock(site.broker, 'report')
    const token = await page.evaluate(async () => {
      const held = await new mq.Lock(remote, 'report').acquire()
      Object.assign(globalThis, { held })
      return held.token
    })
    expect(await lock.tryAcquire()).toBe(null)
    const waiting = lock.acquire()
    await page.evaluate(() =>
      (globalThis as unknown as { held: { release(): Promise<void> } }).held.release(),
    )
    const held = await waiting
    expect(held.token).toBeGreaterThan(token)
    await held.release()
  })

  it('ends a wait when its signal aborts, and leaves the next message to others', async () => {
    const { page, site } = await openPage()
    const error = await page.evaluate(async () => {
      const consumer = new mq.Consumer(remote, 'quiet', { group: 'page' })
      await new mq.Producer(remote).send('quiet', 'first')
      await (await consumer.receive()).ack()
      const controller = new AbortController()
      const waiting = consumer.receive({ signal: controller.signal }).catch((thrown) => thrown)
      // It has reached the broker when another request, which came later, has its answer.
      await new mq.Admin(remote).describeGroup('quiet', 'page')
      controller.abort('enough')
      const thrown = await waiting
      const timedOut = await consumer.receive({ timeout: 50 })
      return {
        name: thrown.name,
        code: thrown.code,
        cause: thrown.cause,
        isPortalError: mq.isPortalError(thrown, 'ABORTED'),
        timedOut,
      }
    })
    expect(error).toEqual({
      name: 'AbortError',
      code: 'ABORTED',
      cause: 'enough',
      isPortalError: true,
      timedOut: null,
    })
    await new Producer(site.broker).send('quiet', 'second')
    const message = await new Consumer(site.broker, 'quiet', { group: 'page' }).receive({ timeout: 10_000 })
    expect(message).toMatchObject({ value: 'second', deliveryCount: 1 })
  })

  it('is refused where its page has no permission', async () => {
    const { site } = await openPage()
    const stranger = await startSite()
    const page = await chromium.newPage()
    await page.goto(stranger.url)
    const code = await page.evaluate(async (url) => {
      const connection = mq.connect(url, { timeout: 500 })
      const refused = await new mq.Admin(connection).listTopics().catch(({ code }) => code)
      await connection.close()
      return refused
    }, site.broker.url!)
    expect(code).toBe('DISCONNECTED')
    await page.close()
  })

  it('says what went wrong by the broker’s own codes', async () => {
    const { page } = await openPage()
    const codes = await page.evaluate(async () => {
      const admin = new mq.Admin(remote)
      await admin.createTopic('taken')
      const code = (promise: Promise<unknown>) =>
        promise.then(
          () => 'none',
          (error) => error.code,
        )
      return [
        await code(admin.describeTopic('missing')),
        await code(admin.createTopic('taken')),
        await code(new mq.Producer(remote).send('taken', undefined)),
      ]
    })
    expect(codes).toEqual(['TOPIC_NOT_FOUND', 'TOPIC_EXISTS', 'INVALID_ARGUMENT'])
  })

  it('goes on by itself when the broker has been away: nothing lost, nothing stored twice', async () => {
    const { page, site } = await openPage()
    const finished = page.evaluate(async () => {
      const events: string[] = []
      remote.on('disconnect', () => {
        events.push('disconnect')
        Object.assign(globalThis, { away: true })
      })
      remote.on('connect', () => events.push('connect'))
      const producer = new mq.Producer(remote)
      const consumer = new mq.Consumer<number>(remote, 'numbers', { group: 'page' })
      const received = new Set<number>()
      const running = consumer.run(async ({ value }) => {
        received.add(value)
        if (received.size === 200) void consumer.close()
      })
      const sends = []
      for (let value = 0; value < 200; value++) {
        sends.push(producer.send('numbers', value))
        if (value === 50) Object.assign(globalThis, { halfway: Promise.all(sends) })
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      await Promise.all(sends)
      await running
      return { events, received: [...received] }
    })
    await page.waitForFunction(() => 'halfway' in globalThis)
    await site.restart(async () => void (await page.waitForFunction(() => 'away' in globalThis)))
    const { events, received } = await finished
    expect([events[0], events.at(-1)]).toEqual(['disconnect', 'connect'])
    expect(received.sort((one, other) => one - other)).toEqual(NUMBERS)
    const [partition] = (await new Admin(site.broker).describeTopic('numbers')).partitions
    expect(partition).toMatchObject({ nextOffset: 200 })
  })
})
