import { expect, test } from 'vitest'
import { PortalError } from '../../src/core/errors.js'
import type { BrokerService } from '../../src/protocol/service.js'
import { systemRuntime } from '../../src/runtime/system.js'
import { createDispatcher } from '../../src/transport/http/dispatch.js'
import type { HttpRequest } from '../../src/transport/http/exchange.js'
import { serviceRoutes } from '../../src/transport/http/routes/routes.js'

const quiet = { debug() {}, info() {}, warn() {}, error() {} }

function request(path: string, headers: Record<string, string> = {}): HttpRequest {
  return {
    method: 'GET',
    path,
    query: new URLSearchParams(),
    header: (name) => headers[name],
    body: async () => new Uint8Array(),
    signal: new AbortController().signal,
    peer: { address: '127.0.0.1' },
  }
}

/** Asks a broker that refuses everybody, and is ready or not. */
function handler(checkReady: () => Promise<void>) {
  const service = { checkReady } as Partial<BrokerService> as BrokerService
  return createDispatcher(service, {
    routes: serviceRoutes,
    runtime: systemRuntime(),
    logger: quiet,
    maxBodyBytes: 1_000,
    admit: async () => {
      throw new PortalError('UNAUTHENTICATED', 'Who are you?')
    },
  })
}

test('health and readiness need no token, all else does', async () => {
  const handle = handler(async () => {})
  expect((await handle(request('/healthz'))).status).toBe(200)
  expect((await handle(request('/readyz'))).status).toBe(200)
  expect((await handle(request('/metrics'))).status).toBe(401)
})

test.each([
  ['STORAGE_FULL', 'The disk has 3 MiB left at /secret/path.'],
  ['CLOSED', 'The broker is closed.'],
  ['STORAGE_FAILED', 'The disk at /secret/path failed.'],
] as const)('a broker that cannot store says so, and no more than the code: %s', async (code, message) => {
  const handle = handler(async () => {
    throw new PortalError(code, message)
  })
  const { status, body, headers } = await handle(request('/readyz'))
  expect(status).toBe(503)
  expect(headers['cache-control']).toBe('no-store')
  expect(JSON.parse(body as string)).toMatchObject({ code })
  expect(body).not.toContain('secret')
  expect((await handle(request('/healthz'))).status).toBe(200)
})

test('a request keeps its id if that is fit for a log line; else it is given one of its own', async () => {
  const handle = handler(async () => {})
  const idOf = async (id?: string) =>
    (await handle(request('/healthz', id === undefined ? {} : { 'x-request-id': id }))).headers[
      'x-request-id'
    ]!
  expect(await idOf('0af7651916cd43dd-1')).toBe('0af7651916cd43dd-1')
  const made = await Promise.all([
    idOf(),
    idOf('two words'),
    idOf('line\nbreak'),
    idOf('x'.repeat(129)),
    idOf(''),
  ])
  expect(new Set(made).size).toBe(5)
  for (const id of made) expect(id).toMatch(/^[0-9a-f]{12}-[0-9a-z]+$/)
})
