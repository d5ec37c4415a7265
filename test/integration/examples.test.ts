import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { temporaryDirectory } from './support/broker.js'

interface Example {
  readonly child: ChildProcess
  /** What it has written. */
  readonly output: () => string
  /** Resolves to its exit code. */
  readonly ended: Promise<number | null>
}

/** Runs an example as `npm run example` does; it and its children are killed with the test if they do not end by themselves. */
function run(
  name: string,
  options: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Example {
  const child = spawn(process.execPath, ['examples/run.mjs', name, ...options], {
    env: { ...process.env, ...env },
    // A group of its own, so that all of it can be killed.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const collect = (chunk: unknown) => {
    output += String(chunk)
  }
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  const ended = once(child, 'close').then(([code]) => code as number | null)
  onTestFinished(() => {
    try {
      process.kill(-child.pid!, 'SIGKILL')
    } catch {
      // All of it has ended.
    }
  })
  return { child, output: () => output, ended }
}

/** The first URL that it prints. */
async function urlOf(example: Example): Promise<string> {
  return vi.waitFor(
    () => {
      const found = /https?:\/\/[^\s,]+/.exec(example.output())
      if (!found) throw new Error(`No URL in: ${example.output()}`)
      return found[0]
    },
    { timeout: 30_000, interval: 20 },
  )
}

function post(url: string, body: object, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
}

/** Asks it to stop, as a terminal or systemd would. */
async function stop(example: Example): Promise<void> {
  example.child.kill('SIGTERM')
  expect({ code: await example.ended, output: example.output() }).toMatchObject({ code: 0 })
}

describe('the example', () => {
  it('embedded bills what it can, tries again, and gives up what it cannot', async () => {
    const example = run('embedded')
    expect(await example.ended).toBe(0)
    const output = example.output()
    expect(output).toContain('order-1 was sent again: it is there already')
    expect(output).toContain('order-1 is billed, at delivery 1')
    expect(output).toContain('order-2 is billed, at delivery 2')
    expect(output).toContain('order-3 is given up: cannot bill -1')
    expect(output).toContain('order-4 is billed, at delivery 1')
  })

  it('iot loses nothing when a controller is killed at work', async () => {
    const example = run('iot', ['2'])
    expect({ code: await example.ended, output: example.output() }).toMatchObject({ code: 0 })
    const [, sent, handled, again, lost] = /sent (\d+), handled (\d+), delivered again (\d+), lost (\d+)/
      .exec(example.output())!
      .map(Number)
    expect(example.output()).toContain('is killed at work on reading temp_1/')
    expect(sent).toBeGreaterThan(20)
    expect(handled).toBe(sent)
    expect(again).toBeGreaterThan(0)
    expect(lost).toBe(0)
  })

  it('http-server takes messages from who has the token, keeps them, and stops when it is asked to', async () => {
    const env = { PORT: '0', DIRECTORY: await temporaryDirectory(), TOKEN: 'a-token-of-a-test' }
    const bearer = { authorization: `Bearer ${env.TOKEN}` }
    const first = run('http-server', [], env)
    const messages = `${await urlOf(first)}/topics/temp_1/messages`
    expect((await post(messages, { value: 1 })).status).toBe(401)
    expect((await post(messages, { value: { celsius: 21.4 } }, bearer)).status).toBe(201)
    await stop(first)
    const second = run('http-server', [], env)
    const kept = await fetch(`${await urlOf(second)}/topics/temp_1/messages`, { headers: bearer })
    expect(await kept.json()).toMatchObject({ messages: [{ offset: 0, value: { celsius: 21.4 } }] })
    await stop(second)
  })

  it('http-server/mounted is an application’s own routes, with a broker below /mq', async () => {
    const application = run('http-server/mounted', [], { PORT: '0', DIRECTORY: await temporaryDirectory() })
    const url = await urlOf(application)
    expect(await (await fetch(url)).text()).toContain('The application.')
    expect((await fetch(`${url}/mq/docs`)).status).toBe(200)
    expect((await post(`${url}/mq/topics/temp_1/messages`, { value: 1 })).status).toBe(201)
    await stop(application)
  })

  it('express takes an order once, packs it, and shows how far it is', async () => {
    const shop = run('express', [], { PORT: '0', DIRECTORY: await temporaryDirectory() })
    const url = await urlOf(shop)
    expect((await post(`${url}/orders`, { item: 'vase' })).status).toBe(400)
    const order = { item: 'vase', count: 1 }
    const key = { 'idempotency-key': 'mine' }
    const accepted = await post(`${url}/orders`, order, key)
    expect(accepted.status).toBe(202)
    expect(accepted.headers.get('location')).toBe('/orders/mine')
    expect((await post(`${url}/orders`, order, key)).status).toBe(202)
    await vi.waitFor(
      async () => {
        const all = await (await fetch(`${url}/orders`)).json()
        // The vase broke at first, and there is one parcel.
        expect(all).toEqual({ mine: { state: 'sent', packed: 1, of: 1 } })
      },
      { timeout: 30_000, interval: 50 },
    )
    await stop(shop)
    expect(shop.output().match(/the vase broke/g)).toHaveLength(1)
  })

  it('browser serves a page, its program and a broker under one address', async () => {
    const example = run('browser', [], { PORT: '0', DIRECTORY: await temporaryDirectory() })
    const url = await urlOf(example)
    expect(await (await fetch(url)).text()).toContain('<h1>The wall</h1>')
    expect(await (await fetch(`${url}/page.js`)).text()).not.toMatch(/(from|import\(?|require\()\s*["']node:/)
    expect(
      (await post(`${url}/mq/topics/wall/messages`, { value: { name: 'Ann', text: 'hello' } })).status,
    ).toBe(201)
    await stop(example)
  })
})

it('each example is in the index, and nothing else', async () => {
  const index = await readFile('examples/README.md', 'utf8')
  const folders = (await readdir('examples', { withFileTypes: true })).filter((entry) => entry.isDirectory())
  const indexed = [...index.matchAll(/^\| \[[a-z-]+\]\(([a-z-]+)\/\)/gm)].map(([, folder]) => folder)
  expect(indexed.sort()).toEqual(folders.map(({ name }) => name).sort())
})
