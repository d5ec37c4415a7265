import { describe, expect, it } from 'vitest'
import { guardHosts } from '../../src/transport/http/cors.js'
import type { HttpRequest, HttpResponse } from '../../src/transport/http/exchange.js'
import { serveBroker } from './support/http-broker.js'

const app = 'https://app.example'
const preflight = {
  'access-control-request-method': 'POST',
  'access-control-request-headers': 'authorization, content-type',
}

describe('a web page', () => {
  it('elsewhere gets nothing, and does nothing, unless it is named', async () => {
    const served = await serveBroker()
    for (const origin of [app, 'null', 'http://localhost:1', 'http://127.0.0.1']) {
      const asked = await request(served, 'OPTIONS', '/topics/a/messages', { origin, ...preflight })
      expect(asked).toMatch(/^HTTP\/1.1 403 .*FORBIDDEN/s)
      expect(asked).not.toMatch(/access-control-allow/i)
      // Browsers send this one without asking first.
      const headers = { origin, 'content-type': 'text/plain' }
      const sent = await request(served, 'POST', '/topics/a/messages', headers, 'x')
      expect(sent).toMatch(/^HTTP\/1.1 403 .*FORBIDDEN/s)
    }
    expect((await served.ask('GET', '/topics/a')).status).toBe(404)
  })

  it('that is named has its preflight answered, without a token, and may read the answers', async () => {
    const token = 'the-token-of-the-page'
    const served = await serveBroker({
      auth: { tokens: [{ token, principal: 'page' }] },
      cors: { origins: [app] },
    })
    const asked = await request(served, 'OPTIONS', '/topics/a/messages', { origin: app, ...preflight })
    expect(asked).toMatch(/^HTTP\/1.1 204 /)
    expect(asked).toContain(`access-control-allow-origin: ${app}`)
    expect(asked).toContain('access-control-allow-headers: authorization, content-type')
    expect(asked).toMatch(/access-control-allow-methods: .*DELETE/)
    const headers = { origin: app, 'content-type': 'text/plain' }
    const refused = await request(served, 'POST', '/topics/a/messages', headers, 'x')
    expect(refused).toMatch(/^HTTP\/1.1 401 /)
    expect(refused).toContain(`access-control-allow-origin: ${app}`)
    const sent = await request(
      served,
      'POST',
      '/topics/a/messages',
      { ...headers, authorization: `Bearer ${token}` },
      'x',
    )
    expect(sent).toMatch(/^HTTP\/1.1 201 /)
    expect(sent).toContain(`access-control-allow-origin: ${app}`)
    expect(sent).toContain('vary: origin')
    const other = await request(served, 'OPTIONS', '/topics', { origin: `${app}.evil`, ...preflight })
    expect(other).toMatch(/^HTTP\/1.1 403 /)
  })

  it('of the broker itself may do what anybody may', async () => {
    const served = await serveBroker()
    const origin = `http://localhost:${served.port}`
    const headers = { origin, host: `localhost:${served.port}`, 'content-type': 'text/plain' }
    expect(await request(served, 'POST', '/topics/a/messages', headers, 'x')).toMatch(/^HTTP\/1.1 201 /)
  })

  it('whose name leads to this machine is not the broker itself', async () => {
    const served = await serveBroker()
    const host = `evil.example:${served.port}`
    const headers = { host, origin: `http://${host}`, 'content-type': 'text/plain' }
    expect(await request(served, 'POST', '/topics/a/messages', headers, 'x')).toMatch(
      /^HTTP\/1.1 403 .*does not know itself as evil.example/s,
    )
    expect(await request(served, 'GET', '/topics', { host })).toMatch(/^HTTP\/1.1 403 /)
  })
})

it.each(['localhost', 'localhost:80', '127.0.0.1:5000', '[::1]:5000', '[::1]', 'mq.localhost', '10.0.0.7'])(
  'a broker on this machine is asked as %s',
  async (host) => {
    expect(await request(await serveBroker(), 'GET', '/topics', { host })).toMatch(/^HTTP\/1.1 200 /)
  },
)

it('a broker that has a name is asked by it, and by no other', async () => {
  const answer: HttpResponse = { status: 204, headers: {}, body: undefined }
  const handler = guardHosts(async () => answer, ['127.0.0.1', 'MQ1'])
  const ask = async (host: string) => (await handler(requestFor(host))).status
  expect(await ask('mq1:5000')).toBe(204)
  expect(await ask('MQ1')).toBe(204)
  expect(await ask('mq1.evil.example')).toBe(403)
  expect(await ask('localhost.evil.example')).toBe(403)
})

function requestFor(host: string): HttpRequest {
  return { header: (name: string) => (name === 'host' ? host : undefined) } as HttpRequest
}

async function request(
  { open }: Awaited<ReturnType<typeof serveBroker>>,
  method: string,
  path: string,
  headers: Record<string, string>,
  body = '',
): Promise<string> {
  const all = { host: 'localhost', connection: 'close', 'content-length': String(body.length), ...headers }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return open()
    .write(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`)
    .closed()
}
