import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { type BrowserContext, chromium } from 'playwright-core'
import { inject, onTestFinished } from 'vitest'
import { passOn } from '../../examples/browser/pass-on.js'
import { type Broker, createBroker, type Logger } from '../../src/index.js'
import { http } from '../../src/transport/http/http.js'

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** A Chromium with an empty profile; the caller closes it. */
export async function startChromium(): Promise<BrowserContext> {
  const executablePath = inject('chromium')
  if (executablePath === '')
    throw new Error('These tests run in Chromium: apt-get install chromium, or name one in CHROMIUM.')
  const profile = await mkdtemp(join(tmpdir(), 'portal-mq-profile-'))
  const context = await chromium.launchPersistentContext(profile, { executablePath, args: FLAGS })
  context.once('close', () => void rm(profile, { recursive: true, force: true, maxRetries: 5 }))
  return context
}

export interface Site {
  readonly url: string
  /** The broker, which is reached below /mq. */
  broker: Broker
  /** Closes the broker, waits for `meanwhile`, and opens it again at the same place. */
  restart(meanwhile: () => Promise<void>): Promise<void>
}

/** An empty page with all of `portal-mq/client` in `mq`, and a broker under the same address. */
export async function startSite(): Promise<Site> {
  const directory = await mkdtemp(join(tmpdir(), 'portal-mq-browser-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  const open = (port: number) => createBroker({ directory, transport: http({ port }), logger: SILENT })
  const broker = await open(0)
  const address = broker.url!
  const program = await bundledClient()
  const server = createServer((request, response) => {
    const path = request.url ?? '/'
    if (path.startsWith('/mq/')) passOn(request, response, address, path.slice('/mq'.length))
    else if (path === '/client.js') response.setHeader('content-type', 'text/javascript').end(program)
    else response.setHeader('content-type', 'text/html').end(PAGE)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const site: Site = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    broker,
    async restart(meanwhile) {
      await site.broker.close()
      await meanwhile()
      site.broker = await open(Number(new URL(address).port))
    },
  }
  onTestFinished(async () => {
    await site.broker.close()
    server.closeAllConnections()
    server.close()
  })
  return site
}

const PAGE = `<!doctype html><title>portal-mq</title><link rel="icon" href="data:,">
<script type="module">import * as mq from '/client.js'; globalThis.mq = mq; globalThis.remote = mq.connect(location.origin + '/mq')</script>`

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} }

/** Anything of Node's in it would fail here: `platform: 'browser'` resolves none. */
async function bundledClient(): Promise<Uint8Array> {
  const { outputFiles } = await build({
    entryPoints: ['src/client.ts'],
    bundle: true,
    minify: true,
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    write: false,
  })
  return outputFiles[0]!.contents
}
