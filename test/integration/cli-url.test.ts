import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { beforeAll, expect, test } from 'vitest'
import { http } from '../../src/http.js'
import { bundleProgram } from '../support/bundle.js'
import { openBroker } from './support/broker.js'

let program: string
beforeAll(async () => {
  program = await bundleProgram('src/cli/main.ts', 'cli-url')
})

interface RunOptions {
  readonly input?: string
  readonly env?: Readonly<Record<string, string>>
}

async function run(args: readonly string[], { input = '', env = {} }: RunOptions = {}) {
  const child = spawn(process.execPath, [program, ...args], {
    stdio: 'pipe',
    env: { ...process.env, ...env },
  })
  let [out, err] = ['', '']
  child.stdout.on('data', (chunk) => {
    out += String(chunk)
  })
  child.stderr.on('data', (chunk) => {
    err += String(chunk)
  })
  child.stdin.end(input)
  const [code] = await once(child, 'close')
  return { code, out, err }
}

async function serve(): Promise<string> {
  return (await openBroker({ transport: http({ port: 0 }) })).url!
}

test('produce and consume work with a broker that is served, and every line comes again in order', async () => {
  const url = await serve()
  const sent = Array.from({ length: 25_000 }, (_, at) => `line ${at}`)
  expect(await run(['produce', 'a', '--url', url], { input: sent.join('\n') })).toEqual({
    code: 0,
    out: '',
    err: '',
  })
  const read = await run(['consume', 'a', '--url', url])
  expect([read.code, read.out.trimEnd().split('\n')]).toEqual([0, sent])
  const first = await run(['consume', 'a', '--url', url, '--group', 'g', '--count', '2'])
  const rest = await run(['consume', 'a', '--url', url, '--group', 'g'])
  expect((first.out + rest.out).trimEnd().split('\n')).toEqual(sent)
})

test('topic and group do, too', async () => {
  const on = ['--url', await serve()]
  expect(await run(['topic', 'create', 'orders', '--partitions', '3', ...on])).toMatchObject({
    code: 0,
    err: '',
  })
  expect(
    JSON.parse((await run(['topic', 'describe', 'orders', '--json', ...on])).out).partitions,
  ).toHaveLength(3)
  expect((await run(['topic', 'list', ...on])).out).toContain('orders')
  expect(await run(['group', 'create', 'orders', 'g', ...on])).toMatchObject({ code: 0, err: '' })
  expect((await run(['group', 'list', 'orders', ...on])).out).toMatch(/g\s+0\s+active/)
  expect(await run(['group', 'delete', 'orders', 'g', ...on])).toMatchObject({ code: 0 })
  expect(await run(['topic', 'delete', 'orders', ...on])).toMatchObject({ code: 0, out: 'Deleted orders.\n' })
})

test('the environment can say which broker; a flag goes before it', async () => {
  const url = await serve()
  const env = { PORTAL_MQ_URL: url, PORTAL_MQ_DIRECTORY: '/nowhere' }
  expect(await run(['produce', 'a'], { input: 'one', env })).toMatchObject({ code: 0 })
  expect((await run(['consume', 'a'], { env })).out).toBe('one\n')
  const missing = await run(['topic', 'describe', 'a', '--directory', ':memory:'], { env })
  expect(missing.err).toContain('[TOPIC_NOT_FOUND]')
})

test('a directory and a URL together, or a token without a URL, are refused in words', async () => {
  const both = await run(['topic', 'list', '--directory', 'x', '--url', 'http://localhost:1'])
  expect(both.code).toBe(1)
  expect(both.err).toMatch(/^portal-mq: Both --directory and --url are given: .*\[INVALID_ARGUMENT\]\n$/)
  expect((await run(['topic', 'list', '--token', 'x', '--directory', ':memory:'])).err).toContain(
    'it needs --url',
  )
  expect((await run(['topic', 'list', '--url', 'localhost:5000'])).err).toContain('http:// or https://')
})

test('--follow waits for a topic that is not there yet', async () => {
  const url = await serve()
  const group = run(['consume', 'later', '--follow', '--count', '1', '--group', 'g', '--url', url])
  const reader = run(['consume', 'later', '--follow', '--count', '1', '--url', url])
  await run(['produce', 'later', '--url', url], { input: 'here\n' })
  expect([(await group).out, (await reader).out]).toEqual(['here\n', 'here\n'])
})
