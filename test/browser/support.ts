import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { type BrowserContext, chromium } from 'playwright-core'
import { inject, onTestFinished } from 'vitest'
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
  broker: Broker
  /** Closes the broker, waits for `meanwhile`, and opens it again at the same place. */
  restart(meanwhile: () => Promise<void>): Promise<void>
}

/** An empty page with all of `portal-mq/client` in `mq`, and in `remote` a connection to a broker of another origin, which allows that. */
export async function startSite(): Promise<Site> {
  const directory = await mkdtemp(join(tmpdir(), 'portal-mq-browser-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  const program = await bundledClient()
  const server = createServer((request, response) => {
    if (request.url === '/client.js') response.setHeader('content-type', 'text/javascript').end(program)
    else response.setHeader('content-type', 'text/html').end(page(address))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const open = (port: number) =>
    createBroker({ directory, transport: http({ port, cors: { origins: [origin] } }), logger: SILENT })
  const broker = await open(0)
  const address = broker.url!
  const site: Site = {
    url: `${origin}/`,
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

const page = (broker: string) => `<!doctype html><title>portal-mq</title><link rel="icon" href="data:,">
<script type="module">import * as mq from '/client.js'; globalThis.mq = mq; globalThis.remote = mq.connect('${broker}')</script>`

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
