import { existsSync } from 'node:fs'
import { cp, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { repository, run } from './run.js'

// One real installation, which compiles better-sqlite3 where there is no binary for it, serves three projects below it:
// Node and TypeScript look for packages in the folders above.

const tarball = inject('tarball')
let folder: string

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'portal-mq-install-')))
  await cp(join(repository, 'test/package/projects'), folder, { recursive: true })
  const manifest = JSON.parse(await readFile(join(repository, 'package.json'), 'utf8')) as {
    devDependencies: Record<string, string>
  }
  const { typescript, '@types/node': nodeTypes } = manifest.devDependencies
  await writeFile(
    join(folder, 'package.json'),
    JSON.stringify({
      private: true,
      // npm 12 runs install scripts only of packages that are named here.
      allowScripts: { 'better-sqlite3': true },
      dependencies: { 'portal-mq': `file:${tarball}` },
      devDependencies: { typescript, '@types/node': nodeTypes },
    }),
  )
  await run('npm', ['install', '--no-audit', '--no-fund'], { cwd: folder, timeout: 500_000 })
})

afterAll(() => rm(folder, { recursive: true, force: true }))

const said = 'delivered {"celsius":21.4}'

describe('installed into a fresh project', () => {
  it('brings no zookeeper: that is for clusters', () => {
    expect(existsSync(join(folder, 'node_modules/better-sqlite3'))).toBe(true)
    expect(existsSync(join(folder, 'node_modules/zookeeper'))).toBe(false)
  })

  it('works from ESM', async () => {
    expect(await run('node', ['esm/main.js', join(folder, 'data-esm')], { cwd: folder })).toContain(said)
  })

  it('works from CJS', async () => {
    expect(await run('node', ['cjs/main.js', join(folder, 'data-cjs')], { cwd: folder })).toContain(said)
  })

  it('keeps what was sent for the next process', async () => {
    const directory = join(folder, 'data-kept')
    await run('node', ['esm/send.js', directory], { cwd: folder })
    expect(await run('node', ['cjs/receive.js', directory], { cwd: folder })).toContain(said)
  })

  it('works over HTTP, from ESM and from CJS', async () => {
    for (const program of ['esm/network.js', 'cjs/network.js']) {
      const directory = join(folder, `data-${program.slice(0, 3)}-network`)
      expect(await run('node', [program, directory], { cwd: folder })).toContain(said)
    }
  })

  it('works from TypeScript (nodenext), in an ESM and in a CJS module', async () => {
    await run('node', ['node_modules/typescript/bin/tsc', '--project', 'typescript'], { cwd: folder })
    expect(await run('node', ['typescript/out/esm.mjs'], { cwd: folder })).toContain(said)
    expect(await run('node', ['typescript/out/cjs.cjs'], { cwd: folder })).toContain(said)
  })

  it('has declarations that need no types of Node', async () => {
    await run('node', ['node_modules/typescript/bin/tsc', '--project', 'typescript/tsconfig.no-types.json'], {
      cwd: folder,
    })
  })

  it('has a client that a browser can load', async () => {
    // esbuild fails on a node: module when it builds for a browser.
    const { errors } = await build({
      stdin: { contents: "export * from 'portal-mq/client'", resolveDir: folder },
      bundle: true,
      write: false,
      platform: 'browser',
      format: 'esm',
      target: 'es2022',
      logLevel: 'silent',
    })
    expect(errors).toEqual([])
  })

  it('brings its command line', async () => {
    const help = await run('npx', ['--no-install', 'portal-mq', '--help'], { cwd: folder })
    for (const command of ['demo', 'serve', 'produce', 'consume', 'topic', 'group'])
      expect(help).toContain(command)
  })
})
