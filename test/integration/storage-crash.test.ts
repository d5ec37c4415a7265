import { beforeAll, describe, expect, test } from 'vitest'
import { openSqliteStorage } from '../../src/storage/sqlite/sqlite.js'
import { bundleChild, StorageChild, temporaryDirectory } from './storage/process.js'
import { checkLog } from './storage/workload.js'

let child = ''
beforeAll(async () => {
  child = await bundleChild()
})

describe('a process that is killed', () => {
  test.each([3, 70, 400])(
    'leaves every durable commit that it acknowledged, killed after %i of them [invariant 3]',
    async (count) => {
      const directory = await temporaryDirectory()
      const writer = new StorageChild([process.execPath, child, directory, 'fill'])
      await writer.until((line) => 'acknowledged' in line && line.acknowledged >= count)
      await writer.kill()
      const storage = await openSqliteStorage({ directory })
      expect(storage.wasClean).toBe(false)
      await checkLog(storage, writer.acknowledged)
      await storage.close()
    },
  )

  test('is noticed only once: the next proper close is a clean one', async () => {
    const directory = await temporaryDirectory()
    const writer = new StorageChild([process.execPath, child, directory, 'fill'])
    await writer.until((line) => 'acknowledged' in line)
    await writer.kill()
    for (const wasClean of [false, true, true]) {
      const storage = await openSqliteStorage({ directory })
      expect(storage.wasClean).toBe(wasClean)
      await storage.close()
    }
  })
})

test('a process ends by itself once it has closed its storage', async () => {
  const directory = await temporaryDirectory()
  const writer = new StorageChild([process.execPath, child, directory, 'fill', '5'])
  await writer.exited
  expect(writer.lines.at(-1)).toEqual({ closed: true })
  const storage = await openSqliteStorage({ directory })
  expect(storage.wasClean).toBe(true)
  await checkLog(storage, 4)
  await storage.close()
})

describe('one directory', () => {
  test('refuses a second broker of the same process, and takes it after the first has closed', async () => {
    const directory = await temporaryDirectory()
    const first = await openSqliteStorage({ directory })
    await expect(openSqliteStorage({ directory })).rejects.toMatchObject({
      code: 'DIRECTORY_IN_USE',
      message: expect.stringContaining(`${process.pid}`),
    })
    await first.commit([{ type: 'meta', key: 'still', value: new Uint8Array(4) }], { durable: true })
    await first.close()
    await (await openSqliteStorage({ directory })).close()
  })

  test('refuses a broker of another process by its name, until that one is killed', async () => {
    const directory = await temporaryDirectory()
    const holder = new StorageChild([process.execPath, child, directory, 'hold'])
    const said = await holder.until((line) => 'opened' in line)
    const pid = 'opened' in said ? said.opened : 0
    await expect(openSqliteStorage({ directory })).rejects.toMatchObject({
      code: 'DIRECTORY_IN_USE',
      message: expect.stringContaining(`process ${pid} (`),
    })
    await holder.kill()
    await (await openSqliteStorage({ directory })).close()
  })
})
