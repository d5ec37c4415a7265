import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bundleProgram } from '../support/bundle.js'

let program: string
let folder: string
beforeAll(async () => {
  program = await bundleProgram('src/cli/main.ts', 'cli')
  folder = await mkdtemp(join(tmpdir(), 'portal-mq-cli-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

interface RunOptions {
  readonly input?: string
  /** Called with the child when it has printed something for the first time. */
  readonly onOutput?: (child: ReturnType<typeof spawn>) => void
  /** Nobody reads what it prints. */
  readonly unread?: boolean
}

async function run(
  args: readonly string[],
  { input = '', onOutput, unread = false }: RunOptions = {},
): Promise<Ended> {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk) => {
    if (out === '') onOutput?.(child)
    out += String(chunk)
  })
  child.stderr.on('data', (chunk) => {
    err += String(chunk)
  })
  child.stdin.end(input)
  if (unread) child.stdout.destroy()
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, out, err }
}

const lines = (count: number) => Array.from({ length: count }, (_, at) => `line ${at}`)

describe('produce and consume', () => {
  test('every line of stdin is printed again, in order', async () => {
    const directory = join(folder, 'lines')
    const sent = lines(25_000)
    expect(
      await run(['produce', 'a', '--directory', directory], { input: `${sent.join('\n')}\n` }),
    ).toMatchObject({ code: 0, err: '' })
    const { code, out } = await run(['consume', 'a', '--directory', directory])
    expect(code).toBe(0)
    expect(out.trimEnd().split('\n')).toEqual(sent)
  })

  test('a group is given each message once, and goes on where it was', async () => {
    const directory = join(folder, 'group')
    await run(['produce', 'a', '--directory', directory], { input: 'one\ntwo\nthree' })
    const first = await run(['consume', 'a', '--directory', directory, '--group', 'g', '--count', '1'])
    const rest = await run(['consume', 'a', '--directory', directory, '--group', 'g'])
    expect([first.out, rest.out]).toEqual(['one\n', 'two\nthree\n'])
    expect(await run(['consume', 'a', '--directory', directory, '--group', 'g'])).toMatchObject({
      code: 0,
      out: '',
    })
  })

  test('what could not be printed is not acknowledged: the group is given it again', async () => {
    const directory = join(folder, 'unread')
    const sent = Array.from({ length: 200 }, (_, at) => `${at} ${'x'.repeat(1_000)}`)
    await run(['produce', 'a', '--directory', directory], { input: sent.join('\n') })
    const args = ['consume', 'a', '--group', 'g', '--directory', directory]
    expect(await run(args, { unread: true })).toEqual({ code: 0, out: '', err: '' })
    expect((await run(args)).out.trimEnd().split('\n')).toEqual(sent)
    const { out } = await run(['group', 'describe', 'a', 'g', '--json', '--directory', directory])
    expect(JSON.parse(out)).toMatchObject({ partitions: [{ acked: 200, lag: 0, deadLettered: 0 }] })
  })

  test('--json carries values as JSON, and prints messages as objects', async () => {
    const directory = join(folder, 'json')
    await run(['produce', 'a', '--json', '--key', 'k', '--directory', directory], { input: '{"x":1}\n[2]\n' })
    const { out } = await run(['consume', 'a', '--json', '--directory', directory])
    expect(
      out
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toMatchObject([
      { topic: 'a', partition: 0, offset: 0, key: 'k', value: { x: 1 } },
      { topic: 'a', partition: 0, offset: 1, key: 'k', value: [2] },
    ])
  })

  test('--json sends the lines before one that is no JSON, and says which line that is', async () => {
    const directory = join(folder, 'no-json')
    const produced = await run(['produce', 'a', '--json', '--directory', directory], {
      input: '1\n2\nthree\n4\n',
    })
    expect(produced).toMatchObject({ code: 1, err: expect.stringContaining('Line 3 is no JSON') })
    expect((await run(['consume', 'a', '--directory', directory])).out).toBe('1\n2\n')
  })

  test('--from begins at an offset', async () => {
    const directory = join(folder, 'from')
    await run(['produce', 'a', '--directory', directory], { input: 'one\ntwo\nthree' })
    expect((await run(['consume', 'a', '--from', '2', '--directory', directory])).out).toBe('three\n')
    for (const wrong of ['-1', '1.5', '1e3', 'yesterday', '2020-13-45']) {
      const refused = await run(['consume', 'a', `--from=${wrong}`, '--directory', directory])
      expect(refused, wrong).toMatchObject({ code: 1, out: '', err: expect.stringContaining('--from takes') })
    }
    expect((await run(['consume', 'a', '--from', '2020-01-31', '--directory', directory])).out).toBe(
      'one\ntwo\nthree\n',
    )
  })

  test('--follow prints what is there and goes on until SIGINT, which ends it well', async () => {
    const directory = join(folder, 'follow')
    await run(['produce', 'a', '--directory', directory], { input: 'one\n' })
    const args = ['consume', 'a', '--follow', '--group', 'g', '--directory', directory]
    const ended = await run(args, { onOutput: (child) => child.kill('SIGINT') })
    expect(ended).toEqual({ code: 0, out: 'one\n', err: '' })
    expect((await run(['consume', 'a', '--group', 'g', '--directory', directory])).out).toBe('')
  })

  test('a closed pipe ends it quietly', async () => {
    const directory = join(folder, 'pipe')
    await run(['produce', 'a', '--directory', directory], { input: lines(100_000).join('\n') })
    const args = ['consume', 'a', '--directory', directory]
    const ended = await run(args, { onOutput: (child) => child.stdout!.destroy() })
    expect(ended).toMatchObject({ code: 0, err: '' })
  })
})

describe('topic and group', () => {
  test('topics are created, listed, described and deleted', async () => {
    const directory = join(folder, 'topics')
    const on = ['--directory', directory]
    expect(await run(['topic', 'create', 'orders', '--partitions', '3', ...on])).toMatchObject({ code: 0 })
    expect((await run(['topic', 'list', '--json', ...on])).out).toContain('"name": "orders"')
    expect(
      JSON.parse((await run(['topic', 'describe', 'orders', '--json', ...on])).out).partitions,
    ).toHaveLength(3)
    expect(await run(['topic', 'delete', 'orders', ...on])).toMatchObject({
      code: 0,
      out: 'Deleted orders.\n',
    })
    expect((await run(['topic', 'list', ...on])).out).toContain('(none)')
  })

  test('groups are created, listed, described and deleted', async () => {
    const directory = join(folder, 'groups')
    const on = ['--directory', directory]
    await run(['produce', 'a', ...on], { input: 'one\ntwo' })
    expect(await run(['group', 'create', 'a', 'g', ...on])).toMatchObject({ code: 0, err: '' })
    expect((await run(['group', 'list', 'a', ...on])).out).toMatch(/g\s+2\s+active/)
    expect(JSON.parse((await run(['group', 'describe', 'a', 'g', '--json', ...on])).out)).toMatchObject({
      name: 'g',
      topic: 'a',
    })
    expect(await run(['group', 'delete', 'a', 'g', ...on])).toMatchObject({ code: 0 })
  })

  test('errors are one line that says what to do', async () => {
    const directory = join(folder, 'errors')
    const missing = await run(['topic', 'describe', 'nothing', '--directory', directory])
    expect(missing.code).toBe(1)
    expect(missing.err).toBe(
      "portal-mq: There is no topic nothing. Make it with 'portal-mq topic create nothing', or send to it. [TOPIC_NOT_FOUND]\n",
    )
    expect((await run(['topic', 'create', 'bad/name', '--directory', directory])).err).toContain(
      '[INVALID_ARGUMENT]',
    )
    expect((await run(['produce', 'a', '--json', '--directory', directory], { input: '{' })).err).toContain(
      'Line 1 is no JSON',
    )
    expect((await run(['fly'])).code).not.toBe(0)
  })

  test('every command has help with an example', async () => {
    for (const command of [
      [],
      ['demo'],
      ['serve'],
      ['produce'],
      ['consume'],
      ['topic'],
      ['topic', 'create'],
      ['group'],
      ['group', 'describe'],
    ]) {
      const { code, out } = await run([...command, '--help'])
      expect(code).toBe(0)
      expect(out).toMatch(/Examples?:/)
    }
  })
})

test('a demo that is interrupted finishes what is under way: nothing is called lost', async () => {
  const { code, out } = await run(['demo', '--duration', '60', '--rate', '500'], {
    onOutput: (child) =>
      child.stdout!.on('data', function interrupt(chunk) {
        if (!/under way [1-9]/.test(String(chunk))) return
        // A second one would end it at once.
        child.stdout!.off('data', interrupt)
        child.kill('SIGINT')
      }),
  })
  expect(out).toMatch(/lost\s+0/)
  expect(code).toBe(0)
})

test('a demo that is over before anything was measured ends, too', async () => {
  const { code, out, err } = await run(['demo', '--duration', '0.001'])
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(out).toMatch(/sent\s+0/)
})

test('the demo loses nothing, shows what came back, and ends by itself', async () => {
  const { code, out } = await run(['demo', '--duration', '2', '--rate', '50'])
  expect(out).toMatch(/lost\s+0/)
  expect(out).toMatch(/duplicates\s+0/)
  expect(out).toMatch(/controller B1 of temp_1 was killed with a message in hand/)
  const redelivered = Number(/redelivered\s+(\d+)/.exec(out)?.[1])
  expect(redelivered).toBeGreaterThan(0)
  expect(code).toBe(0)
})
