import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { openSqliteStorage } from '../../src/storage/sqlite/sqlite.js'
import { temporaryDirectory } from './storage/process.js'

afterEach(() => {
  vi.unstubAllEnvs()
})

/** Storage threads that run this instead of SQLite. */
async function threadsThatRun(code: string): Promise<string> {
  const directory = await temporaryDirectory()
  const worker = join(directory, 'worker.mjs')
  await writeFile(worker, `import { parentPort, workerData } from 'node:worker_threads'\n${code}`)
  vi.stubEnv('PORTAL_MQ_STORAGE_WORKER', worker)
  return directory
}

const ready = "if (workerData.role === 'writer') parentPort.postMessage({ type: 'ready', wasClean: true })\n"
const write = [{ type: 'meta', key: 'k', value: new Uint8Array(4) }] as const

describe('a storage thread that dies', () => {
  test('before it is ready makes opening fail', async () => {
    const directory = await threadsThatRun("throw new Error('out of luck')")
    await expect(openSqliteStorage({ directory })).rejects.toMatchObject({
      code: 'STORAGE_FAILED',
      cause: { message: 'out of luck' },
    })
  })

  test.each([
    ['throws', "throw new Error('out of luck')"],
    ['exits', 'process.exit(0)'],
  ])(
    'that %s rejects the commits under way and all later ones, and says so once [invariant 13]',
    async (_, death) => {
      const directory = await threadsThatRun(`${ready}parentPort.on('message', () => { ${death} })`)
      const storage = await openSqliteStorage({ directory })
      const failures: string[] = []
      storage.onFailure(({ code }) => failures.push(code))
      const commits = [1, 2, 3].map(() => storage.commit(write, { durable: true }))
      for (const commit of commits) await expect(commit).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
      await expect(storage.commit(write, { durable: false })).rejects.toMatchObject({
        code: 'STORAGE_FAILED',
      })
      await storage.close()
      expect(failures).toEqual(['STORAGE_FAILED'])
    },
  )

  test('while it reads fails the storage as well', async () => {
    const directory = await threadsThatRun(
      `${ready}parentPort.on('message', () => { if (workerData.role === 'reader') throw new Error('out of luck'); else parentPort.close() })`,
    )
    const storage = await openSqliteStorage({ directory })
    const failed = new Promise<string>((resolve) => storage.onFailure(({ code }) => resolve(code)))
    await expect(storage.logs()).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
    expect(await failed).toBe('STORAGE_FAILED')
    await expect(storage.commit(write, { durable: true })).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
    await storage.close()
  })

  test('an acknowledgement that arrives after the failure is not believed [invariant 13]', async () => {
    const failed = "{ type: 'failed', error: { code: 'STORAGE_FAILED', message: 'broken' } }"
    const directory = await threadsThatRun(
      `${ready}parentPort.on('message', (m) => { if (typeof m === 'string') parentPort.close(); else { parentPort.postMessage(${failed}); parentPort.postMessage(1) } })`,
    )
    const storage = await openSqliteStorage({ directory })
    await expect(storage.commit(write, { durable: true })).rejects.toMatchObject({ message: 'broken' })
    await expect(storage.commit(write, { durable: true })).rejects.toMatchObject({ message: 'broken' })
    await storage.close()
  })
})
