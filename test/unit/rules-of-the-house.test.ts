import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

// A rule that silently stopped matching protects nothing, so each is shown something that it must refuse.

const repository = fileURLToPath(new URL('../../', import.meta.url))
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'portal-mq-rules-'))
  for (const name of [
    'package.json',
    'tsconfig.json',
    'biome.json',
    '.dependency-cruiser.mjs',
    'scripts/lint',
  ]) {
    await cp(join(repository, name), join(folder, name), { recursive: true })
  }
  await symlink(join(repository, 'node_modules'), join(folder, 'node_modules'))
})

afterAll(() => rm(folder, { recursive: true, force: true }))

describe('time, timers, chance and the network come through the seams', () => {
  const forbidden = [
    'Date.now()',
    'new Date()',
    'new Date',
    'Date()',
    'Math.random()',
    '[1].map(Math.random)',
    'setTimeout(() => {}, 1)',
    'setInterval(() => {}, 1)',
    'setImmediate(() => {})',
    'globalThis.setTimeout(() => {}, 1)',
    'AbortSignal.timeout(1)',
    'performance.now()',
    'process.hrtime.bigint()',
    'crypto.randomUUID()',
    "fetch('http://127.0.0.1')",
    "import('node:timers/promises')",
  ]
  const allowed = [
    'new Date(5)',
    "Date.parse('2026-01-01')",
    'Math.floor(1.5)',
    'clock.now()',
    'timers.setTimeout()',
  ]

  it.each(['src/core', 'src/broker', 'src/client', 'src/storage', 'src'])('in %s', async (place) => {
    const statements = [...allowed, ...forbidden]
    await put(`${place}/sample.ts`, [
      "import { randomUUID as identifier } from 'node:crypto'",
      "import { setTimeout as sleep } from 'node:timers/promises'",
      ...statements.map((statement, at) => `export const x${at} = ${statement}`),
    ])
    const refused = await refusedLines(`${place}/sample.ts`)
    const firstForbidden = 3 + allowed.length
    expect(refused).toEqual([1, 2, ...forbidden.map((_, at) => firstForbidden + at)])
  })

  it.each(['src/runtime', 'src/storage/sqlite', 'src/cli'])('which %s owns', async (place) => {
    await put(`${place}/sample.ts`, ['export const x = [Date.now(), Math.random(), setTimeout(() => {}, 1)]'])
    expect(await refusedLines(`${place}/sample.ts`)).toEqual([])
  })

  it('and what runs in browsers names nothing of Node', async () => {
    for (const place of ['src/core', 'src/client', 'src/protocol', 'src/runtime']) {
      await put(`${place}/sample.ts`, ["export const x = Buffer.from('')", 'export const y = process.pid'])
      expect(await refusedLines(`${place}/sample.ts`)).toEqual([1, 2])
    }
  })
})

describe('imports run downwards only', () => {
  const forbidden: readonly (readonly [from: string, to: string, rule: string])[] = [
    ['core/a', '../runtime/b.js', 'layer-core'],
    ['core/a', 'node:fs', 'core-is-pure'],
    ['core/a', 'eventemitter3', 'core-is-pure'],
    ['runtime/a', '../protocol/b.js', 'layer-runtime'],
    ['protocol/a', '../broker/b.js', 'layer-protocol'],
    ['client/a', '../broker/b.js', 'layer-client'],
    ['broker/a', '../storage/memory.js', 'only-choosers-name-adapters'],
    ['broker/a', '../storage/b.js', 'layer-broker'],
    ['broker/a', '../client/b.js', 'nobody-above'],
    ['storage/a', '../broker/b.js', 'layer-storage'],
    ['storage/memory', './sqlite/b.js', 'adapters-are-strangers'],
    ['coordination/memory', '../storage/storage.js', 'layer-coordination'],
    ['coordination/memory', '../protocol/b.js', 'coordination-adapters-store-bytes'],
    ['transport/in-process', '../broker/b.js', 'layer-transport'],
    ['cli/a', '../core/b.js', 'layer-cli'],
    ['index', './cli/b.js', 'nobody-imports-the-cli'],
    ['index', './storage/memory.js', 'only-choosers-name-adapters'],
    ['create-broker', './client/b.js', 'nobody-above'],
    ['broker/a', 'better-sqlite3', 'only-there-better-sqlite3'],
    ['broker/a', 'commander', 'only-there-commander'],
    ['broker/a', 'zookeeper', 'only-there-zookeeper'],
    ['broker/a', 'fast-check', 'only-shipped-packages'],
    ['broker/a', './missing.js', 'resolvable'],
    ['broker/circle', './ring.js', 'no-circles'],
    ['client', './reaches-node.js', 'client-runs-anywhere'],
  ]
  const allowed: readonly (readonly [from: string, to: string])[] = [
    ['client/good', '../protocol/b.js'],
    ['broker/good', '../storage/storage.js'],
    ['broker/good', 'eventemitter3'],
    ['storage/sqlite/good', 'better-sqlite3'],
    ['coordination/good', '../protocol/b.js'],
    ['create-broker', './storage/memory.js'],
    ['create-broker', './broker/b.js'],
    ['index', './client/b.js'],
    ['cli/good', '../index.js'],
    ['cli/good', 'commander'],
  ]

  it('and every rule refuses what it is for', async () => {
    await rm(join(folder, 'src'), { recursive: true, force: true })
    const imports = [
      ...forbidden,
      ...allowed,
      ['broker/ring', './circle.js'],
      ['reaches-node', 'node:fs'],
    ] as const
    for (const place of [
      'core',
      'runtime',
      'protocol',
      'client',
      'broker',
      'storage',
      'storage/sqlite',
      'cli',
    ]) {
      await put(`src/${place}/b.ts`, ['export {}'])
    }
    for (const name of [
      'storage/storage',
      'storage/memory',
      'index',
      'create-broker',
      'client',
      'reaches-node',
    ]) {
      await put(`src/${name}.ts`, ['export {}'])
    }
    for (const from of new Set(imports.map(([from]) => from))) {
      await put(
        `src/${from}.ts`,
        imports
          .filter((each) => each[0] === from)
          .map(([, to], at) => `import * as x${at} from '${to}'\nexport type y${at} = typeof x${at}`),
      )
    }
    const found = new Set(await refusedImports())
    expect(forbidden.filter(([from, , rule]) => !found.has(`src/${from}.ts ${rule}`))).toEqual([])
    const good = new Set(allowed.map(([from]) => from).filter((from) => from.endsWith('good')))
    expect([...found].filter((each) => [...good].some((from) => each.startsWith(`src/${from}.ts`)))).toEqual(
      [],
    )
  })
})

async function put(path: string, lines: readonly string[]): Promise<void> {
  await mkdir(dirname(join(folder, path)), { recursive: true })
  await writeFile(join(folder, path), `${lines.join('\n')}\n`)
}

/** The lines that biome refuses. */
async function refusedLines(path: string): Promise<number[]> {
  const output = await run('biome', [
    'lint',
    '--vcs-enabled=false',
    '--max-diagnostics=none',
    '--reporter=github',
    path,
  ])
  const lines = [...output.matchAll(/^::error .*?line=(\d+)/gm)].map((match) => Number(match[1]))
  return [...new Set(lines)].sort((a, b) => a - b)
}

/** What dependency-cruiser refuses, each as `file rule`. */
async function refusedImports(): Promise<string[]> {
  const output = await run('depcruise', [
    '--config',
    '.dependency-cruiser.mjs',
    '--output-type',
    'json',
    'src',
  ])
  const { summary } = JSON.parse(output) as {
    summary: { violations: { from: string; rule: { name: string } }[] }
  }
  return summary.violations.map(({ from, rule }) => `${from} ${rule.name}`)
}

/** What a development tool prints, run in the folder; that it ends with an error is no matter. */
function run(tool: string, options: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(
      join(repository, 'node_modules/.bin', tool),
      options,
      { cwd: folder, maxBuffer: 64 * 2 ** 20 },
      (_error, stdout) => resolve(stdout),
    )
  })
}
