import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type FaultProxy, type FaultProxyOptions, faultProxy } from '../../src/testing/fault-proxy.js'
import { undiciSend } from '../../src/transport/http/client/undici-send.js'

interface Seen {
  readonly path: string
  readonly body: string
  readonly at: number
}

/** A server that answers with what it got, or as its path says, and remembers every whole request. */
async function openServer() {
  const seen: Seen[] = []
  const begun: string[] = []
  const server = createServer(async (message, response) => {
    const path = message.url ?? ''
    begun.push(path)
    const body = await textOf(message)
    if (body === undefined) return
    seen.push({ path, body, at: performance.now() })
    if (path.startsWith('/empty')) return void response.writeHead(204).end()
    if (path.startsWith('/pieces')) {
      for (const piece of ['one,', 'two,', 'three']) response.write(piece)
      return void response.end()
    }
    if (path.startsWith('/never')) return
    response.end(`${path}:${body}`)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { seen, begun, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

async function textOf(message: IncomingMessage): Promise<string | undefined> {
  let text = ''
  try {
    for await (const chunk of message) text += chunk
  } catch {
    return undefined
  }
  return text
}

async function openProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const proxy = await faultProxy(options)
  onTestFinished(() => proxy.close())
  return proxy
}

async function stage(options: Omit<FaultProxyOptions, 'target'> = {}) {
  const server = await openServer()
  const proxy = await openProxy({ target: server.url, ...options })
  const { send, close } = undiciSend()
  onTestFinished(close)
  const post = async (path: string, body: string | undefined = 'hello', timeout = 10_000) => {
    const request = {
      method: 'POST',
      origin: proxy.url,
      path,
      headers: {},
      body,
      signal: undefined,
      timeout,
      waits: false,
    }
    const response = await send(request)
    return Buffer.from(response.body).toString()
  }
  return { server, proxy, post }
}

describe('the fault proxy', () => {
  it('passes requests and answers of every length and form, over connections that are kept', async () => {
    const { proxy, post, server } = await stage()
    expect(await post('/a')).toBe('/a:hello')
    expect(await post('/b', '')).toBe('/b:')
    expect(await post('/empty')).toBe('')
    expect(await post('/pieces')).toBe('one,two,three')
    const large = 'x'.repeat(3 << 20)
    expect(await post('/large', large)).toBe(`/large:${large}`)
    const many = await Promise.all(Array.from({ length: 30 }, (_, at) => post(`/${at}`, `${at}`)))
    expect(many).toEqual(Array.from({ length: 30 }, (_, at) => `/${at}:${at}`))
    const sse = await (await fetch(`${proxy.url}/pieces`, { method: 'POST', body: 'x' })).text()
    expect(sse).toBe('one,two,three')
    expect(server.seen).toHaveLength(36)
  })

  it('cuts a request after every number of bytes', async () => {
    const { proxy, post, server } = await stage()
    let whole = 0
    for (let after = 0; ; after++) {
      const before = server.seen.length
      const report = proxy.inject({ type: 'cut-request', after })
      const outcome = await post('/x').catch(() => 'cut')
      const { carriedOut, requestBytes } = await report
      if (!carriedOut) {
        expect(outcome).toBe('/x:hello')
        break
      }
      whole = requestBytes
      expect(outcome).toBe('cut')
      if (after < requestBytes) expect(server.seen).toHaveLength(before)
      expect(after).toBeLessThanOrEqual(requestBytes)
    }
    expect(whole).toBeGreaterThan(60)
  })

  it('cuts an answer after every number of bytes', async () => {
    const { proxy, post, server } = await stage()
    const outcomes: string[] = []
    let length = -1
    while (length < 0) {
      const report = proxy.inject({ type: 'cut-answer', after: outcomes.length })
      outcomes.push(await post('/x').catch(() => 'cut'))
      const { carriedOut, answerBytes } = await report
      expect(server.seen).toHaveLength(outcomes.length)
      if (!carriedOut) length = answerBytes
    }
    // Cut after the last byte it was complete, and one more is more than there are.
    expect(outcomes).toEqual([...Array(length).fill('cut'), '/x:hello', '/x:hello'])
  })

  it('swallows an answer that the server has given', async () => {
    const { proxy, post, server } = await stage()
    const report = proxy.inject({ type: 'swallow' })
    await expect(post('/x')).rejects.toThrow()
    expect(await report).toMatchObject({ method: 'POST', path: '/x', carriedOut: true })
    expect((await report).answerBytes).toBeGreaterThan(50)
    expect(server.seen).toHaveLength(1)
    expect(await post('/y')).toBe('/y:hello')
  })

  it('swallows an answer and lets the client wait until it has had enough', async () => {
    const { proxy, post, server } = await stage()
    const report = proxy.inject({ type: 'swallow', hang: true })
    await expect(post('/x', 'hello', 300)).rejects.toThrow()
    await report
    expect(server.seen).toHaveLength(1)
  })

  it('delays a request and an answer', async () => {
    const { proxy, post, server } = await stage()
    const begin = performance.now()
    void proxy.inject({ type: 'delay', request: 80, answer: 120 })
    expect(await post('/x')).toBe('/x:hello')
    const arrived = server.seen[0]!.at - begin
    expect(arrived).toBeGreaterThanOrEqual(79)
    expect(performance.now() - begin).toBeGreaterThanOrEqual(199)
  })

  it('delivers a request twice, and one answer', async () => {
    const { proxy, post, server } = await stage()
    const report = proxy.inject({ type: 'duplicate' })
    expect(await post('/x', 'once')).toBe('/x:once')
    await report
    const late = proxy.inject({ type: 'duplicate', after: 60 })
    expect(await post('/y', 'late')).toBe('/y:late')
    await late
    expect(server.seen.map(({ path, body }) => path + body)).toEqual(['/xonce', '/xonce', '/ylate', '/ylate'])
    expect(server.seen[3]!.at - server.seen[2]!.at).toBeGreaterThanOrEqual(59)
  })

  it('does what it is told to the request that is meant, and to no other', async () => {
    const { proxy, post, server } = await stage()
    const report = proxy.inject({ type: 'swallow' }, ({ path }) => path === '/b')
    expect(await post('/a')).toBe('/a:hello')
    await expect(post('/b')).rejects.toThrow()
    expect(await post('/b')).toBe('/b:hello')
    expect(await report).toMatchObject({ path: '/b' })
    expect(server.seen.map(({ path }) => path)).toEqual(['/a', '/b', '/b'])
  })

  it('draws the same faults for the same seed', async () => {
    const drawn = async (seed: number) => {
      const { proxy, post } = await stage({ seed })
      proxy.always((_, random) => (random() < 0.5 ? { type: 'swallow' } : undefined))
      const outcomes: boolean[] = []
      for (let at = 0; at < 24; at++) outcomes.push(await post('/x').then(Boolean, () => false))
      proxy.always(undefined)
      expect(await post('/x')).toBe('/x:hello')
      return outcomes
    }
    const first = await drawn(7)
    expect(await drawn(7)).toEqual(first)
    expect(await drawn(8)).not.toEqual(first)
    expect(new Set(first).size).toBe(2)
  })

  it('is dark: connections stand, nothing comes through, and nothing is lost', async () => {
    const { proxy, post, server } = await stage()
    expect(await post('/a')).toBe('/a:hello')
    proxy.goDark()
    await expect(post('/gone', 'hello', 300)).rejects.toThrow()
    const waiting = [post('/b'), post('/c')]
    expect(server.seen).toHaveLength(1)
    await proxy.pass()
    expect(await Promise.all(waiting)).toEqual(['/b:hello', '/c:hello'])
    expect(server.seen.map(({ path }) => path)).not.toContain('/gone')
  })

  it('refuses, and passes at the same port again', async () => {
    const { proxy, post } = await stage()
    const { url } = proxy
    const cut = post('/never').catch((error: Error) => error.message)
    await proxy.refuse()
    await cut
    await expect(post('/a')).rejects.toThrow(/ECONNREFUSED/)
    await proxy.refuse()
    await proxy.pass()
    await proxy.pass()
    expect(proxy.url).toBe(url)
    expect(await post('/a')).toBe('/a:hello')
  })

  it('cuts all connections at once', async () => {
    const { proxy, post, server } = await stage()
    const calls = [post('/never'), post('/never')].map((call) => call.then(Boolean, () => false))
    await expect.poll(() => server.seen.length).toBe(2)
    proxy.cut()
    expect(await Promise.all(calls)).toEqual([false, false])
    expect(await post('/a')).toBe('/a:hello')
  })

  it('tells the server when the client has gone', async () => {
    const { proxy, server } = await stage()
    const controller = new AbortController()
    const call = fetch(`${proxy.url}/never`, { signal: controller.signal }).catch(() => {})
    await expect.poll(() => server.seen.length).toBe(1)
    controller.abort()
    await call
    await proxy.close()
    await proxy.close()
  })

  it('cuts the client when there is no server', async () => {
    const proxy = await openProxy({ target: 'http://127.0.0.1:1' })
    await expect(fetch(proxy.url)).rejects.toThrow()
  })

  it('stands before http: alone', async () => {
    await expect(faultProxy({ target: 'https://127.0.0.1:1' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
    await expect(faultProxy({ target: 'nowhere' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    const { proxy } = await stage()
    const port = Number(new URL(proxy.url).port)
    await expect(faultProxy({ target: 'http://127.0.0.1:1', port })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
  })
})
