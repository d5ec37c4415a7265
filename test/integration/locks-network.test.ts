import { describe, expect, onTestFinished, test } from 'vitest'
import { type Carrier, RemoteConnection } from '../../src/connect.js'
import { PortalError } from '../../src/core/errors.js'
import { createHandler } from '../../src/http.js'
import { Lock } from '../../src/index.js'
import type { SendRequest, SendResponse } from '../../src/transport/http/client/send.js'
import { watch } from '../unit/client-support/fake-connection.js'
import { LogBook, numbers, openVirtualBroker } from './support/broker.js'

/** A broker in virtual time, and connections to it over its HTTP routes. */
async function serveVirtually() {
  const { broker, runtime } = await openVirtualBroker()
  const handler = createHandler(broker)
  const log: SendRequest[] = []
  let isDown = false
  let refuseWaiters = false
  const send = async (request: SendRequest): Promise<SendResponse> => {
    log.push(request)
    if (isDown) throw new Error('refused')
    if (refuseWaiters && String(request.body).includes('"waiter"')) return refusal
    const { method, headers, body, signal } = request
    const url = `http://broker${request.path}`
    const response = await handler(
      new Request(url, {
        method,
        headers,
        body: body as string,
        signal: (signal ?? null) as AbortSignal | null,
      }),
    )
    const type = response.headers.get('content-type') ?? ''
    return { status: response.status, type, body: new Uint8Array(await response.arrayBuffer()) }
  }
  const connect = () => {
    const pack = () => Promise.reject(new PortalError('UNSUPPORTED', 'Nothing is packed here.'))
    const carrier: Carrier = { send, pack, close: async () => {} }
    const remote = new RemoteConnection('http://broker', { runtime, logger: new LogBook() }, carrier)
    onTestFinished(() => remote.close())
    return remote
  }
  return {
    broker,
    runtime,
    log,
    connect,
    breakDown: (down: boolean) => {
      isDown = down
    },
    becomeOld: () => {
      refuseWaiters = true
    },
  }
}

/** What a broker of before says to a property that it does not know. */
const refusal: SendResponse = {
  status: 400,
  type: 'application/problem+json',
  body: new TextEncoder().encode(
    JSON.stringify({
      code: 'INVALID_ARGUMENT',
      detail: "The body has no property 'waiter': it knows ttl, wait.",
      retriable: false,
    }),
  ),
}

describe('who waits for a lock over HTTP', () => {
  test('has it in the order of coming, however often the polls were renewed', async () => {
    const { runtime, connect, broker } = await serveVirtually()
    const held = await runtime.runUntil(new Lock(broker, 'l').acquire())
    const order: number[] = []
    const waits = []
    for (const at of numbers(6)) {
      const acquired = new Lock(connect(), 'l').acquire().then(async (lock) => {
        order.push(at)
        await lock.release()
      })
      waits.push(acquired)
      // Each comes in the middle of the others' polls.
      await runtime.advance(2_100)
    }
    await runtime.advance(100_000)
    expect(order).toEqual([])
    await runtime.runUntil(held.release())
    await runtime.runUntil(Promise.all(waits))
    expect(order).toEqual(numbers(6))
  })

  test('keeps the place when the broker cannot be reached for a moment', async () => {
    const { runtime, connect, broker, breakDown } = await serveVirtually()
    const held = await runtime.runUntil(new Lock(broker, 'l').acquire())
    const first = watch(new Lock(connect(), 'l').acquire())
    await runtime.advance(10_000)
    const second = watch(new Lock(connect(), 'l').acquire())
    await runtime.advance(4_900)
    breakDown(true)
    await runtime.advance(1_000)
    breakDown(false)
    await runtime.advance(2_000)
    await runtime.runUntil(held.release())
    await runtime.runUntil(first.promise)
    await runtime.advance(1_000)
    expect(second.settled).toBe(false)
    await runtime.runUntil(first.value!.release())
    await runtime.runUntil(second.promise.then((lock) => lock.release()))
  })

  test('holds up nobody once it has given up', async () => {
    const { runtime, connect, broker } = await serveVirtually()
    const held = await runtime.runUntil(new Lock(broker, 'l').acquire())
    const stop = new AbortController()
    const first = watch(new Lock(connect(), 'l').acquire({ signal: stop.signal }))
    await runtime.advance(1_000)
    const second = watch(new Lock(connect(), 'l').acquire())
    await runtime.advance(20_000)
    stop.abort()
    await runtime.settle()
    expect(first.error).toMatchObject({ code: 'ABORTED' })
    const since = runtime.clock.monotonic()
    await runtime.runUntil(held.release())
    await runtime.runUntil(second.promise)
    expect(runtime.clock.monotonic() - since).toBeLessThan(100)
    await runtime.runUntil(second.value!.release())
  })

  test('waits at a broker of before, too, which knows no names of waits', async () => {
    const { runtime, log, connect, broker, becomeOld } = await serveVirtually()
    becomeOld()
    const held = await runtime.runUntil(new Lock(broker, 'l').acquire())
    const waiting = watch(new Lock(connect(), 'l').acquire())
    await runtime.advance(40_000)
    expect(waiting.settled).toBe(false)
    expect(log.filter(({ body }) => String(body).includes('"waiter"'))).toHaveLength(1)
    await runtime.runUntil(held.release())
    await runtime.runUntil(waiting.promise.then((lock) => lock.release()))
  })
})
