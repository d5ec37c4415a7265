import { connect } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { certificates } from '../support/certificates.js'
import { type HttpBroker, openTls, serveBroker } from './support/http-broker.js'

const problem = (code: string) => expect.objectContaining({ code })

describe('a limit holds, and says why [invariant 28]:', () => {
  it('on the body, announced or not', async () => {
    const { ask, open } = await serveBroker({ limits: { bodyBytes: 2_048 } })
    const fits = await ask('POST', '/topics/a/messages', 'x'.repeat(2_048), { 'content-type': 'text/plain' })
    expect(fits.status).toBe(201)
    const large = await ask('POST', '/topics/a/messages', 'x'.repeat(2_049), { 'content-type': 'text/plain' })
    expect(large).toMatchObject({ status: 413, json: problem('MESSAGE_TOO_LARGE') })
    const chunk = `400\r\n${'x'.repeat(0x400)}\r\n`
    const chunked = open().write(
      `POST /topics/a/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n${chunk.repeat(3)}`,
    )
    expect(await chunked.said(/}/)).toMatch(/413 Payload Too Large.*2048 bytes/s)
    // Whoever goes on is cut.
    await chunked.closed(5_000)
  })

  it('on the body is heard by whoever sends a long one', async () => {
    const { ask } = await serveBroker({ limits: { bodyBytes: 1_024 } })
    const long = 'x'.repeat(20 << 20)
    const answer = await ask('POST', '/topics/a/messages', long, { 'content-type': 'text/plain' })
    expect(answer).toMatchObject({ status: 413, json: problem('MESSAGE_TOO_LARGE') })
  })

  it('on the headers', async () => {
    const { open } = await serveBroker({ limits: { headerBytes: 2_048 } })
    const long = open().write(`GET /topics HTTP/1.1\r\nhost: localhost\r\nx: ${'y'.repeat(3_000)}\r\n\r\n`)
    expect(await long.closed()).toMatch(/^HTTP\/1.1 431 .*INVALID_ARGUMENT/s)
    const many = open().write(`GET /topics HTTP/1.1\r\nhost: localhost\r\n${'x: y\r\n'.repeat(10_000)}\r\n`)
    expect(await many.closed()).toMatch(/^HTTP\/1.1 431 /)
  })

  it('on the URL', async () => {
    const { ask } = await serveBroker({ limits: { urlLength: 300 } })
    expect(await ask('GET', `/topics/${'a'.repeat(300)}`)).toMatchObject({
      status: 414,
      json: problem('INVALID_ARGUMENT'),
    })
  })

  it('on connections: those above are told, and the others served', async () => {
    const { open } = await serveBroker({ limits: { connections: 2 } })
    const GET = 'GET /topics HTTP/1.1\r\nhost: localhost\r\n\r\n'
    const first = open().write(GET)
    await first.said(/200 OK/)
    const second = open().write(GET)
    await second.said(/200 OK/)
    expect(await open().write(GET).closed()).toMatch(/^HTTP\/1.1 503 .*retry-after: 1.*QUOTA_EXCEEDED/s)
    await first.write(GET).said(/200 OK.*200 OK/s)
    second.end()
    await second.closed()
    await open()
      .write(GET)
      .said(/200 OK/)
  })

  it('on requests per second, of each principal', async () => {
    const token = 'the-token-of-the-sensors'
    const other = 'the-token-of-the-controllers'
    const { ask } = await serveBroker({
      auth: {
        tokens: [
          { token, principal: 'a' },
          { token: other, principal: 'b' },
        ],
      },
      limits: { requestsPerSecond: 2 },
    })
    const get = (given: string) => ask('GET', '/topics', undefined, { authorization: `Bearer ${given}` })
    const answers = await Promise.all(Array.from({ length: 12 }, () => get(token)))
    const refused = answers.filter(({ status }) => status === 429)
    expect(refused.length).toBeGreaterThanOrEqual(6)
    expect(refused[0]).toMatchObject({ json: problem('QUOTA_EXCEEDED') })
    expect(refused[0]!.headers.get('retry-after')).toBe('1')
    expect((await get(other)).status).toBe(200)
  })

  it('on bytes in flight: given back when they have been handled, or their sender has gone', async () => {
    const limits = { bodyBytes: 100_000, bytesInFlight: 150_000 }
    const { ask, open } = await serveBroker({ limits })
    const half = open()
    half.write(
      `POST /topics/a/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ncontent-length: 100000\r\n\r\n${'x'.repeat(90_000)}`,
    )
    const send = () => ask('POST', '/topics/a/messages', 'x'.repeat(90_000), { 'content-type': 'text/plain' })
    await eventually(async () => expect((await send()).status).toBe(429))
    expect(await send()).toMatchObject({ status: 429, json: problem('QUOTA_EXCEEDED') })
    half.destroy()
    await eventually(async () => expect((await send()).status).toBe(201))
    for (let times = 0; times < 10; times++) expect((await send()).status).toBe(201)
  })

  it('on what one connection asks for without waiting for answers', async () => {
    const { open, ask } = await serveBroker()
    await ask('POST', '/topics', { name: 'a' })
    const greedy = open()
    const body = '{"wait":60000}'
    const receive = `POST /topics/a/groups/g/receive HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`
    greedy.write(receive.repeat(200))
    expect(await greedy.closed()).toBe('')
  })
})

describe('slow callers are cut while others are served', () => {
  const limits = { headersTimeout: 400, requestTimeout: 800, answerTimeout: 500 }

  it.each([
    ['says nothing', ''],
    ['dribbles headers', 'GET /topics HTTP/1.1\r\nhost: localhost\r\n'],
    ['never ends its first line', 'GET /'],
  ])('whoever %s', async (_what, start) => {
    const served = await serveBroker({ limits })
    const slow = Array.from({ length: 50 }, () => served.open().write(start))
    const dribble = setInterval(() => {
      for (const connection of slow) if (start !== '') connection.write('x')
    }, 50)
    try {
      await servesOthers(served)
      const said = await Promise.all(slow.map((connection) => connection.closed(5_000)))
      for (const text of said) expect(text).toMatch(/^HTTP\/1.1 408 Request Timeout.*TIMEOUT/s)
    } finally {
      clearInterval(dribble)
    }
    await servesOthers(served)
  })

  it('whoever dribbles a body', async () => {
    const served = await serveBroker({ limits })
    const slow = Array.from({ length: 50 }, () =>
      served
        .open()
        .write(
          'POST /topics/a/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ncontent-length: 1000\r\n\r\n',
        ),
    )
    const dribble = setInterval(() => {
      for (const connection of slow) connection.write('x')
    }, 50)
    try {
      await servesOthers(served)
      const said = await Promise.all(slow.map((connection) => connection.closed(5_000)))
      for (const text of said) expect(text).toMatch(/^HTTP\/1.1 408 Request Timeout/)
    } finally {
      clearInterval(dribble)
    }
    expect((await served.ask('GET', '/topics/a')).status).toBe(404)
    expect(served.log.lines).toEqual([])
  })

  it('whoever dribbles a TLS handshake', async () => {
    const { server, ca } = certificates
    const served = await serveBroker({ limits, tls: server })
    const slow = served.open().write(Uint8Array.of(0x16, 3, 1, 2, 0, 1))
    await slow.closed(5_000)
    const quick = openTls(served.port, { ca: ca.cert })
    await quick.write('GET /topics HTTP/1.1\r\nhost: localhost\r\n\r\n').said(/200 OK/)
  })

  it('whoever takes nothing of a long answer', async () => {
    const { ask, port } = await serveBroker({
      limits: { ...limits, bodyBytes: 2 << 20, bytesInFlight: 12 << 20 },
    })
    for (let times = 0; times < 14; times++)
      await ask('POST', '/topics/a/messages', 'x'.repeat(1_000_000), { 'content-type': 'text/plain' })
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    socket.pause()
    onTestFinished(() => void socket.destroy())
    socket.write('GET /topics/a/messages HTTP/1.1\r\nhost: localhost\r\n\r\n')
    // What is on its way counts, until it is cut.
    await eventually(async () => expect((await ask('GET', '/topics')).status).toBe(429))
    await eventually(async () => expect((await ask('GET', '/topics')).status).toBe(200))
  })

  it('but not who waits for messages, or follows', async () => {
    const served = await serveBroker({ limits })
    await served.ask('POST', '/topics', { name: 'a' })
    const following = served
      .open()
      .write('GET /topics/a/messages HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n')
    await following.said(/hello/)
    const started = Date.now()
    const waiting = served.ask('POST', '/topics/a/groups/g/receive', { wait: 1_500 })
    expect(await waiting).toMatchObject({ status: 200, json: { messages: [] } })
    expect(Date.now() - started).toBeGreaterThanOrEqual(1_400)
    await served.ask('POST', '/topics/a/messages', { value: 'late' })
    await following.said(/late/)
  })
})

async function servesOthers({ ask }: HttpBroker): Promise<void> {
  const started = Date.now()
  expect((await ask('GET', '/topics')).status).toBe(200)
  expect(Date.now() - started).toBeLessThan(2_000)
}

async function eventually(check: () => Promise<void>, limit = 10_000): Promise<void> {
  for (const end = Date.now() + limit; ; ) {
    try {
      return await check()
    } catch (error) {
      if (Date.now() > end) throw error
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}
