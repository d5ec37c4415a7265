import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bundleProgram } from '../support/bundle.js'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'portal-mq-readme-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

test('the first example of the README runs as printed, and its process ends by itself', async () => {
  const readme = await readFile('README.md', 'utf8')
  const example = /```js\n([\s\S]*?)```/.exec(readme)?.[1]
  expect(example).toContain('createBroker')
  const source = 'node_modules/.cache/portal-mq/readme-example.ts'
  await mkdir('node_modules/.cache/portal-mq', { recursive: true })
  await writeFile(
    source,
    example!.replace("'portal-mq'", JSON.stringify(join(process.cwd(), 'src/index.ts'))),
  )
  const program = await bundleProgram(source, 'readme')
  const child = spawn(process.execPath, [program], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk) => {
    out += String(chunk)
  })
  child.stderr.on('data', (chunk) => {
    err += String(chunk)
  })
  const [code] = await once(child, 'close')
  expect({ code, out, err }).toEqual({ code: 0, out: '21.4\n', err: '' })
})
