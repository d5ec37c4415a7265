import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { temporaryDirectory } from './support/broker.js'
import { openServer } from './support/rest.js'

const MARK = '\u0001end of block\u0001'
/** What differs each time. */
const VOLATILE = new Set(['timestamp', 'createdAt', 'lease', 'detail'])

test('the lines of docs/http.md work as printed, one after another', async () => {
  const { broker } = await openServer()
  const docs = await readFile('docs/http.md', 'utf8')
  const blocks = [...docs.matchAll(/```sh\n([\s\S]*?)```(?:\n```json\n([\s\S]*?)```)?/g)].map((match) => ({
    code: match[1]!.replaceAll('http://localhost:5000', broker.url!),
    printed: match[2],
  }))
  expect(blocks.length).toBeGreaterThan(15)
  // What curl prints ends without a line's end when there is nothing in it.
  const script = blocks.map(({ code }) => `${code}\necho '${MARK}'`).join('\n')
  const outputs = (await bash(`set -eo pipefail\n${script}`)).split(MARK)
  blocks.forEach(({ code, printed }, at) => {
    const output = outputs[at]!
    if (printed === undefined) expect(output, code).not.toContain('urn:portal-mq:error')
    else expect(same(JSON.parse(printed), lastLine(output)), `${code}\n${output}`).toEqual(true)
  })
  const followed = outputs.filter((output) => output.includes('data: '))
  expect(followed.join('')).toContain('id: 0:4')
})

/** Runs a script; resolves to what it prints, if every line of it succeeds. */
async function bash(script: string): Promise<string> {
  const child = spawn('bash', ['-c', script], {
    cwd: await temporaryDirectory(),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk) => {
    out += String(chunk)
  })
  child.stderr.on('data', (chunk) => {
    err += String(chunk)
  })
  const [code] = await once(child, 'close')
  expect(code, `${out.slice(-2_000)}\n${err.slice(-500)}`).toBe(0)
  return out
}

function lastLine(output: string): unknown {
  const lines = output.split('\n').filter((line) => line.startsWith('{'))
  return JSON.parse(lines.at(-1) ?? 'null')
}

/** Whether what was printed is what the docs say, but for what differs each time. */
function same(expected: unknown, actual: unknown): boolean {
  if (expected === '…') return typeof actual === 'string'
  if (typeof expected !== 'object' || expected === null) return expected === actual
  if (typeof actual !== 'object' || actual === null) return false
  const [wanted, got] = [expected as Record<string, unknown>, actual as Record<string, unknown>]
  if (Object.keys(wanted).join() !== Object.keys(got).join()) return false
  return Object.entries(wanted).every(([name, value]) =>
    VOLATILE.has(name) ? typeof value === typeof got[name] : same(value, got[name]),
  )
}
