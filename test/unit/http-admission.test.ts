import { describe, expect, it } from 'vitest'
import { PortalError } from '../../src/index.js'
import type { Logger } from '../../src/protocol/connection.js'
import { virtualRuntime } from '../../src/runtime/virtual.js'
import { addressOf, createAdmission } from '../../src/transport/http/admission.js'
import { type HttpAuth, resolveAuth } from '../../src/transport/http/auth.js'
import type { HttpRequest } from '../../src/transport/http/exchange.js'

const token = 'the-token-of-the-sensors'
const tokens = [
  { token, principal: 'sensors' },
  { token: 'the-token-of-the-controllers', principal: 'controllers' },
]

describe('who comes in', () => {
  it('is whom the token stands for', async () => {
    const { ask } = admission({ tokens })
    expect((await ask(`Bearer ${token}`)).principal).toBe('sensors')
    expect((await ask(`bearer  ${tokens[1]!.token}`)).principal).toBe('controllers')
  })

  it.each([
    undefined,
    '',
    'Bearer',
    'Bearer ',
    `Bearer ${token}x`,
    `Bearer ${token.slice(0, -1)}`,
    `Bearer ${token} ${token}`,
    `Basic ${token}`,
    token,
    'Bearer ü',
  ])('is nobody with %s', async (header) => {
    const { ask } = admission({ tokens })
    await expect(ask(header)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  })

  it('is nobody with a token or a name of any length', async () => {
    const { ask } = admission({ authenticate: () => 'x'.repeat(300) })
    await expect(ask(`Bearer ${'x'.repeat(10_000)}`)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  })

  it('is whom a function names, at once or later', async () => {
    const now = admission({ authenticate: (given) => (given === 'a' ? 'anna' : undefined) })
    const later = admission({ authenticate: async (given) => (given === 'a' ? 'anna' : undefined) })
    for (const { ask } of [now, later]) {
      expect((await ask('Bearer a')).principal).toBe('anna')
      await expect(ask('Bearer b')).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    }
  })

  it.each([null, '', 5, {}, [], true])('is nobody when the function says %o', async (principal) => {
    const { ask } = admission({ authenticate: () => principal as never })
    await expect(ask('Bearer a')).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  })

  it('cannot be said while the function fails, and no token is logged for that', async () => {
    const { ask, lines } = admission({
      authenticate: (given) => {
        throw new Error(`${given} cannot be looked up`)
      },
    })
    await expect(ask('Bearer s3cret')).rejects.toMatchObject({ code: 'DISCONNECTED', retriable: true })
    expect(JSON.stringify(lines)).toContain('[token] cannot be looked up')
    expect(JSON.stringify(lines)).not.toContain('s3cret')
  })

  it('is the name of a verified certificate, unless a token says otherwise', async () => {
    const { ask } = admission({ tokens }, {}, true)
    expect((await ask(undefined, { certificate: 'sensor-1' })).principal).toBe('sensor-1')
    expect((await ask(`Bearer ${token}`, { certificate: 'sensor-1' })).principal).toBe('sensors')
    await expect(ask('Bearer wrong', { certificate: 'sensor-1' })).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    })
  })

  it('is nobody by a certificate that is not asked for', async () => {
    const { ask } = admission({ tokens })
    await expect(ask(undefined, { certificate: 'sensor-1' })).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    })
  })
})

describe('quotas', () => {
  it('refuse more requests than a principal has, and let it go on a second later (invariant 28)', async () => {
    const { ask, runtime } = admission({ tokens }, { requestsPerSecond: 10 })
    for (let times = 0; times < 20; times++) (await ask(`Bearer ${token}`)).done()
    await expect(ask(`Bearer ${token}`)).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED', retriable: true })
    expect((await ask(`Bearer ${tokens[1]!.token}`)).principal).toBe('controllers')
    await runtime.advance(1_000)
    for (let times = 0; times < 10; times++) (await ask(`Bearer ${token}`)).done()
    await expect(ask(`Bearer ${token}`)).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' })
  })

  it('belong to addresses where nobody says who they are', async () => {
    const { ask } = admission(undefined, { requestsPerSecond: 1 })
    for (let times = 0; times < 2; times++) await ask(undefined, { address: '10.0.0.1' })
    await expect(ask(undefined, { address: '::ffff:10.0.0.1' })).rejects.toMatchObject({
      code: 'QUOTA_EXCEEDED',
    })
    await ask(undefined, { address: '10.0.0.2' })
  })

  it('let an address be refused so often, and no more', async () => {
    const { ask } = admission({ tokens })
    for (let times = 0; times < 200; times++)
      await expect(ask('Bearer wrong')).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    await expect(ask('Bearer wrong')).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' })
    expect((await ask(`Bearer ${token}`)).principal).toBe('sensors')
  })

  it('count bytes on their way until their request is over (invariant 28)', async () => {
    const { ask } = admission({ tokens }, { bytesInFlight: 1_000 })
    const one = await ask(`Bearer ${token}`)
    one.takeBody(600)
    const other = await ask(`Bearer ${token}`)
    expect(() => other.takeBody(600)).toThrow(expect.objectContaining({ code: 'QUOTA_EXCEEDED' }))
    other.done()
    one.takeAnswer(600)
    await expect(ask(`Bearer ${token}`)).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' })
    one.done()
    one.done()
    const third = await ask(`Bearer ${token}`)
    third.takeBody(1_000)
    expect(() => third.takeBody(1)).toThrow(/more than 1000 bytes/)
  })

  it('do not grow with the number of callers', async () => {
    const { ask } = admission(undefined, { requestsPerSecond: 1 })
    for (let at = 0; at < 30_000; at++)
      (await ask(undefined, { address: `10.${at >> 16}.${(at >> 8) & 255}.${at & 255}` })).done()
    // The first was forgotten, and has a full share again.
    await ask(undefined, { address: '10.0.0.0' })
    await ask(undefined, { address: '10.0.0.0' })
  })
})

it.each([
  ['10.0.0.1', '10.0.0.1'],
  ['::ffff:10.0.0.1', '10.0.0.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8::6', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  [undefined, 'somebody'],
])('the caller at %s is %s', (address, caller) => {
  expect(addressOf({ peer: { address } })).toBe(caller)
})

function admission(
  auth: HttpAuth | undefined,
  limits: { requestsPerSecond?: number; bytesInFlight?: number } = {},
  certificates = false,
) {
  const runtime = virtualRuntime({ seed: 1 })
  const lines: object[] = []
  const log = (fields: object, message: string) => void lines.push({ fields, message })
  const logger: Logger = { debug: log, info: log, warn: log, error: log }
  const admit = createAdmission(
    resolveAuth(auth, certificates),
    { requestsPerSecond: 1_000, bytesInFlight: 1e9, ...limits },
    { clock: runtime.clock, logger },
  )
  const ask = (header: string | undefined, peer: { address?: string; certificate?: string } = {}) =>
    admit(request(header, { address: '127.0.0.1', ...peer }))
  return { ask, runtime, lines }
}

function request(authorization: string | undefined, peer: HttpRequest['peer']): HttpRequest {
  return {
    method: 'GET',
    path: '/',
    query: new URLSearchParams(),
    header: (name) => (name === 'authorization' ? authorization : undefined),
    body: () => Promise.reject(new PortalError('ABORTED', 'There is none.')),
    signal: new AbortController().signal,
    peer,
  }
}
