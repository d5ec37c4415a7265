import Database from 'better-sqlite3'
import { describe, expect, test } from 'vitest'
import { type DatabaseConstructor, loadSqlite, type PackageAccess } from '../../src/storage/sqlite/binding.js'

const real = Database as unknown as DatabaseConstructor

function access(changes: Partial<PackageAccess>): PackageAccess {
  return { nodeVersion: '20.20.2', version: () => '12.11.1', load: () => real, ...changes }
}

function fail(error: Error): never {
  throw error
}

/** A better-sqlite3 that says it contains this version of SQLite. */
function withSqlite(version: string): DatabaseConstructor {
  return class {
    close(): void {}
    prepare() {
      return { pluck: () => ({ get: () => version }) }
    }
  } as unknown as DatabaseConstructor
}

describe('better-sqlite3 is loaded only where it runs', () => {
  test('the installed one does', () => {
    expect(loadSqlite(access({}))).toBe(real)
  })

  test('version 13 on Node 20 is not even loaded: it would kill the process', () => {
    let loaded = false
    const load = (): DatabaseConstructor => {
      loaded = true
      return real
    }
    expect(() => loadSqlite(access({ version: () => '13.2.0', load }))).toThrow(
      expect.objectContaining({
        code: 'UNSUPPORTED',
        message: expect.stringMatching(/Node 22.*npm install better-sqlite3@12.*pnpm add better-sqlite3@12/),
      }),
    )
    expect(loaded).toBe(false)
    expect(loadSqlite(access({ version: () => '13.2.0', nodeVersion: '22.1.0' }))).toBe(real)
  })

  test('version 12 on Node 24 is not even loaded: it would kill the process later', () => {
    const load = (): never => fail(new Error('loaded'))
    expect(() => loadSqlite(access({ nodeVersion: '24.21.0', load }))).toThrow(
      expect.objectContaining({
        code: 'UNSUPPORTED',
        message: expect.stringMatching(/Node 24.*npm install better-sqlite3@13.*pnpm add better-sqlite3@13/),
      }),
    )
    expect(loadSqlite(access({ nodeVersion: '24.21.0', version: () => '13.2.0' }))).toBe(real)
  })

  test.each([
    ['a missing binary', 'Could not locate the bindings file.'],
    [
      'a binary for another Node',
      'compiled against a different Node.js version using NODE_MODULE_VERSION 127',
    ],
  ])('%s is named with the command that makes it', (_, message) => {
    const load = (): never => fail(new Error(message))
    expect(() => loadSqlite(access({ load }))).toThrow(
      expect.objectContaining({
        code: 'UNSUPPORTED',
        message: expect.stringMatching(/npm rebuild better-sqlite3.*pnpm rebuild better-sqlite3/),
        cause: expect.objectContaining({ message }),
      }),
    )
  })

  test('a missing package is named with the command that installs it', () => {
    const version = (): never => fail(new Error('Cannot find module'))
    expect(() => loadSqlite(access({ version }))).toThrow(
      expect.objectContaining({
        code: 'UNSUPPORTED',
        message: expect.stringContaining('npm install better-sqlite3'),
      }),
    )
  })

  test.each([
    ['3.51.2', false],
    ['3.50.9', false],
    ['2.99.99', false],
    ['3.51.3', true],
    ['3.53.0', true],
    ['4.0.0', true],
  ])('SQLite %s: accepted is %s', (version, accepted) => {
    const load = (): DatabaseConstructor => withSqlite(version)
    if (accepted) expect(loadSqlite(access({ load }))).toBeDefined()
    else expect(() => loadSqlite(access({ load }))).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }))
  })
})
