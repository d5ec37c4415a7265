import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { http } from '../../src/http.js'
import { isPortalError } from '../../src/index.js'
import { isLoopback, resolveHttpOptions } from '../../src/transport/http/http-options.js'
import { certificates } from '../support/certificates.js'

const { server: tls, ca } = certificates
const token = 'a-token-that-nobody-may-ever-see'
const auth = { tokens: [{ token, principal: 'sensors' }] }

describe('the options of http', () => {
  it('have defaults that protect', () => {
    expect(resolveHttpOptions({ port: 0 })).toMatchObject({
      host: '127.0.0.1',
      tls: undefined,
      auth: undefined,
      cors: undefined,
      onlyLoopbackProtects: true,
      limits: {
        bodyBytes: 32 << 20,
        headerBytes: 16_384,
        urlLength: 4_096,
        connections: 10_000,
        requestsPerSecond: 50_000,
        bytesInFlight: 256 << 20,
        headersTimeout: 10_000,
        requestTimeout: 60_000,
        answerTimeout: 60_000,
      },
    })
  })

  it.each([
    [undefined, /takes an object of options/],
    [{}, /needs a 'port'/],
    [{ port: 70_000 }, /'port' must be a whole number, from 0 to 65535; it is 70000/],
    [{ port: '5000' }, /'port' .* it is '5000'/],
    [{ port: 0, hots: '::1' }, /no option 'hots'. Did you mean 'host'/],
    [{ port: 0, host: 'a b' }, /'host' must be an address/],
    [{ port: 0, advertise: 'mq1' }, /'advertise' must be a URL/],
    [{ port: 0, advertise: 'ftp://mq1' }, /'advertise' must be an http: or https: URL/],
    [{ port: 0, insecure: 'yes' }, /'insecure' must be true or false/],
    [{ port: 0, logger: {} }, /'logger' must have debug, info, warn and error/],
    [{ port: 0, tls: {} }, /'tls' needs cert and key/],
    [{ port: 0, tls: { cert: 'nonsense', key: 'nonsense' } }, /'tls' cannot be used/],
    [{ port: 0, cors: {} }, /'cors.origins' must be a list/],
    [{ port: 0, cors: { origins: ['https://app.example/'] } }, /'cors.origins\[0\]' must be an origin/],
    [{ port: 0, auth: {} }, /'auth' names no way to come in/],
    [{ port: 0, auth: { token: 'x' } }, /no option 'token'. Did you mean 'tokens'/],
    [{ port: 0, auth: { authenticate: 'x' } }, /'auth.authenticate' must be a function/],
    [{ port: 0, auth: { tokens: [{ token: 'short', principal: 'a' }] } }, /at least 16 visible ASCII/],
    [{ port: 0, auth: { tokens: [{ token }] } }, /'auth.tokens\[0\].principal' must be a name/],
    [{ port: 0, auth: { clientCertificates: true } }, /'auth.clientCertificates' needs tls/],
    [{ port: 0, tls: { ...tls, requestCert: true }, auth: { clientCertificates: true } }, /needs tls: \{ ca/],
    [
      { port: 0, auth: { ...auth, rules: [{ principal: '*', topics: [] }] } },
      /auth.rules\[0\] has no option 'topics'/,
    ],
    [
      { port: 0, auth: { ...auth, rules: [{ produce: [] }] } },
      /'auth.rules\[0\].principal' must be a pattern/,
    ],
    [{ port: 0, auth: { ...auth, rules: [{ principal: '*', produce: 'x' }] } }, /must be a list of patterns/],
    [{ port: 0, cluster: {} }, /'cluster' names no way/],
    [{ port: 0, cluster: { tls: {} } }, /'cluster' names no way/],
    [{ port: 0, cluster: { secrets: [] } }, /no option 'secrets'. Did you mean 'secret'/],
    [{ port: 0, cluster: { secret: 'short' } }, /'cluster.secret' must be text of at least 32 visible ASCII/],
    [{ port: 0, cluster: { secret: `${token} ${token}` } }, /'cluster.secret' must be text/],
    [{ port: 0, cluster: { secret: [`${token}${token}`, 7] } }, /'cluster.secret' must be text/],
    [
      {
        port: 0,
        auth: { tokens: [{ token: `${token}${token}`, principal: 'a' }] },
        cluster: { secret: `${token}${token}` },
      },
      /'cluster.secret' is also a token/,
    ],
    [{ port: 0, cluster: { certificates: 'mq-1' } }, /'cluster.certificates' must be a list/],
    [{ port: 0, cluster: { certificates: [''] } }, /'cluster.certificates' must be a list/],
    [{ port: 0, cluster: { certificates: ['mq-*'] } }, /'cluster.certificates' needs tls: \{ ca/],
    [{ port: 0, limits: { bodyByte: 1 } }, /Did you mean 'bodyBytes'/],
    [{ port: 0, limits: { bodyBytes: 10 } }, /'limits.bodyBytes' .* of bytes, from 1024/],
    [{ port: 0, limits: { bytesInFlight: 10 } }, /'limits.bytesInFlight' .* at least 33554432/],
    [{ port: 0, limits: { requestsPerSecond: 0 } }, /'limits.requestsPerSecond'/],
    [{ port: 0, limits: { headersTimeout: 5_000, requestTimeout: 1_000 } }, /at least limits.headersTimeout/],
  ])('%o are refused in words', (options, words) => {
    const error = caught(() => http(options as never))
    expect(error.message).toMatch(words)
  })

  it.each([
    [['not-an-object-but-the-secret-itself']],
    [[{ token: 'too short s3cret', principal: 1 }]],
    [[{ tokn: 'misspelt-but-a-secret', principal: 'x' }]],
  ])('never show a token in an error: %o', (tokens) => {
    const error = caught(() => http({ port: 0, auth: { tokens: tokens as never } }))
    expect(inspect(error, { depth: 9 })).not.toMatch(/secret|s3cret/)
  })

  it.each([
    'the-s3cret-itself',
    { secret: 's3cret' },
    { secret: { value: 's3cret' } },
    { secret: ['s3cret'] },
  ])('never show the secret of a cluster in an error: %o', (cluster) => {
    const error = caught(() => http({ port: 0, cluster: cluster as never }))
    expect(inspect(error, { depth: 9 })).not.toMatch(/s3cret/)
  })

  it('never show a password of the advertised URL', () => {
    const error = caught(() => http({ port: 0, advertise: 'http://me:s3cret@mq1' }))
    expect(inspect(error)).not.toContain('s3cret')
  })

  it('show neither tokens nor keys when they are printed', () => {
    const cluster = { secret: `${token}-${token}` }
    const resolved = inspect(resolveHttpOptions({ port: 0, auth, cluster }), { depth: 9, showHidden: true })
    expect(resolved).not.toContain(token)
    expect(inspect(http({ port: 0, auth, tls, cluster }), { depth: 9, showHidden: true })).not.toContain(
      'PRIVATE KEY',
    )
  })
})

describe('listening beyond this machine', () => {
  it.each(['0.0.0.0', '::', '192.168.1.4', 'mq1', '::ffff:10.0.0.1'])(
    'at %s is refused without tls and auth',
    (host) => {
      expect(caught(() => http({ port: 0, host })).message).toMatch(/give tls: .* and auth: .*insecure: true/)
      expect(caught(() => http({ port: 0, host, tls })).message).toMatch(/give auth/)
      expect(caught(() => http({ port: 0, host, auth })).message).toMatch(/give tls/)
    },
  )

  it('is possible with both, or when it is said aloud', () => {
    expect(() => http({ port: 0, host: '0.0.0.0', tls, auth })).not.toThrow()
    expect(() => http({ port: 0, host: '0.0.0.0', insecure: true })).not.toThrow()
  })

  it.each([
    ['127.0.0.1', true],
    ['127.8.9.1', true],
    ['::1', true],
    ['localhost', true],
    ['::ffff:127.0.0.1', true],
    ['127.0.0.1.example.com', false],
    ['127.evil.example', false],
    ['localhost.example', false],
    ['0.0.0.0', false],
    ['::', false],
  ])('knows whether %s is this machine alone', (host, alone) => {
    expect(isLoopback(host)).toBe(alone)
  })
})

it('client certificates are principals as soon as an authority of our own is given', () => {
  const mutual = { ...tls, ca: ca.cert, requestCert: true }
  expect(resolveHttpOptions({ port: 0, tls: mutual, auth: {} }).auth?.clientCertificates).toBe(true)
  expect(resolveHttpOptions({ port: 0, tls: mutual, auth }).tls?.rejectUnauthorized).toBe(false)
})

function caught(work: () => unknown): Error {
  try {
    work()
  } catch (error) {
    if (isPortalError(error, 'INVALID_ARGUMENT')) return error
    throw error
  }
  throw new Error('Nothing was refused.')
}
