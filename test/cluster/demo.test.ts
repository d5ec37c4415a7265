import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, inject, it, onTestFinished } from 'vitest'
import { bundleProgram } from '../support/bundle.js'

interface Ended {
  readonly code: number | null
  readonly output: string
}

/** Runs a program to its end; it and its children are killed with the test if they do not end by themselves. */
async function run(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  onOutput: (output: string, child: ChildProcess) => void = () => {},
): Promise<Ended> {
  const missing = inject('zookeeperMissing')
  if (missing !== '') throw new Error(missing)
  const child = spawn(process.execPath, [program, ...args], {
    env: { ...process.env, ...env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => {
    try {
      process.kill(-child.pid!, 'SIGKILL')
    } catch {
      // All of it has ended.
    }
  })
  let output = ''
  const collect = (chunk: unknown) => {
    output += String(chunk)
    onOutput(output, child)
  }
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, output }
}

it('the demo of a cluster kills a leader, shows who follows, and loses nothing', async () => {
  const program = await bundleProgram('src/cli/main.ts', 'cli-cluster-demo')
  const { code, output } = await run(program, ['demo', '--cluster', '--duration', '2', '--rate', '20'])
  expect({ code, output }).toMatchObject({ code: 0 })
  expect(output).toMatch(/broker (\d), which leads temp_1, is killed: SIGKILL, process \d+/)
  expect(output).toMatch(/broker \d leads temp_1 in epoch [1-9]/)
  expect(output).toMatch(/has caught up: all three are in sync again/)
  expect(output).toMatch(/pause +[\d,]+ ms/)
  expect(output).toMatch(/duplicates +0/)
  expect(output).toMatch(/lost +0/)
})

it('the demo of a cluster that is interrupted handles what was stored, and ends', async () => {
  const program = await bundleProgram('src/cli/main.ts', 'cli-cluster-demo')
  let isAsked = false
  const { code, output } = await run(
    program,
    ['demo', '--cluster', '--duration', '60'],
    {},
    (text, child) => {
      if (isAsked || !/handled [1-9]/.test(text)) return
      isAsked = true
      child.kill('SIGINT')
    },
  )
  expect({ code, output }).toMatchObject({ code: 0 })
  expect(output).toMatch(/lost +0/)
})

it('the example of a cluster loses nothing when a leader is killed', async () => {
  const { code, output } = await run('examples/run.mjs', ['cluster', '2'], { PORTAL_MQ_PORT: '0' })
  expect({ code, output }).toMatchObject({ code: 0 })
  expect(output).toMatch(/which leads partition 0 in epoch 0, is killed/)
  expect(output).toContain('all three are in sync again')
  const [, sent, handled, , lost] = /sent (\d+), handled (\d+), handled twice (\d+), lost (\d+)/
    .exec(output)!
    .map(Number)
  expect(sent).toBeGreaterThan(0)
  expect(handled).toBe(sent)
  expect(lost).toBe(0)
})
