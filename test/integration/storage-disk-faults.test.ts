import { execFileSync } from 'node:child_process'
import { mkdir, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { openSqliteStorage } from '../../src/storage/sqlite/sqlite.js'
import type { Write } from '../../src/storage/storage.js'
import { DiskModel, type Mercy } from './storage/disk-model.js'
import { bundleChild, needProgram, StorageChild, temporaryDirectory } from './storage/process.js'
import { readTrace, STRACE } from './storage/strace.js'
import { append, checkLog, type Line, LOG, logEntry } from './storage/workload.js'

let child = ''
beforeAll(async () => {
  needProgram('strace', 'apt-get install strace, or: dnf install strace')
  child = await bundleChild()
})

/** Loses power at `crashes` moments of a recorded run, and opens what is left of the disk each time. */
async function losePower(commits: number, crashes: number, seed: number): Promise<void> {
  const directory = await temporaryDirectory()
  const trace = join(await temporaryDirectory(), 'trace')
  const writer = new StorageChild([
    ...STRACE,
    '-o',
    trace,
    process.execPath,
    child,
    directory,
    'fill',
    `${commits}`,
  ])
  await writer.exited
  expect(writer.acknowledged, writer.errors).toBe(commits - 1)
  const events = readTrace(await readFile(trace, 'latin1'), directory)
  const random = seeded(seed)
  const moments = Array.from({ length: crashes }, () => Math.floor(random() * events.length)).sort(
    (a, b) => a - b,
  )
  const disk = new DiskModel()
  let acknowledged = -1
  let opened = false
  for (const [at, event] of events.entries()) {
    while (moments[0] === at) {
      const mercy = (['nothing', 'chance', 'chance', 'everything'] as const)[moments.shift()! % 4]!
      try {
        await checkAfterPowerLoss(disk, mercy, random, opened ? acknowledged : undefined)
      } catch (error) {
        const where = `power lost before event ${at} (${event.type}), ${mercy} kept, seed ${seed}`
        throw new Error(`${where}: ${error}`, { cause: error })
      }
    }
    disk.apply(event)
    if (event.type !== 'said') continue
    const line = JSON.parse(event.text) as Line
    if ('opened' in line) opened = true
    if ('acknowledged' in line) acknowledged = Math.max(acknowledged, line.acknowledged)
  }
}

async function checkAfterPowerLoss(
  disk: DiskModel,
  mercy: Mercy,
  random: () => number,
  acknowledged: number | undefined,
): Promise<void> {
  const directory = await temporaryDirectory()
  for (const [path, content] of disk.afterPowerLoss(mercy, random)) {
    // Shared memory does not outlive the machine, whatever the file says.
    if (!path.endsWith('-shm')) await writeFile(join(directory, basename(path)), content)
  }
  const storage = await openSqliteStorage({ directory })
  try {
    await checkLog(storage, acknowledged ?? -1)
  } finally {
    await storage.close()
  }
}

/** Numbers in [0, 1) that follow from the seed (a linear congruential generator: good enough for coins). */
function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

describe('the loss of power', () => {
  const seed = Number(process.env['PORTAL_MQ_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

  test('at any moment leaves every acknowledged commit, intact [invariant 3]', () => losePower(300, 40, seed))

  test('at any moment of the first commits leaves a storage that opens', () => losePower(3, 40, seed))
})

describe('a failing fsync', () => {
  // The third is SQLite's sync of the folder, whose error it ignores; the first is ours of the same folder, which is why.
  test.each([1, 2, 4, 5, 6, 40, 120])(
    'is the end, when it is number %i: nothing is acknowledged or synced after it [invariant 13]',
    async (when) => {
      const directory = await temporaryDirectory()
      await (await openSqliteStorage({ directory })).close()
      const trace = join(await temporaryDirectory(), 'trace')
      const inject = `inject=fsync,fdatasync:error=EIO:when=${when}`
      const strace = [
        'strace',
        '-f',
        '--seccomp-bpf',
        '-e',
        'signal=none',
        '-e',
        'trace=fsync,fdatasync',
        '-e',
        inject,
      ]
      const writer = new StorageChild([...strace, '-o', trace, process.execPath, child, directory, 'fill'])
      await writer.exited
      const { lines } = writer
      const failedAt = lines.findIndex((line) => 'failure' in line || 'refused' in line)
      if (lines.length === 0) expect(writer.errors).toContain('STORAGE_FAILED')
      else {
        expect(lines.filter((line) => 'failure' in line)).toEqual([{ failure: 'STORAGE_FAILED' }])
        expect(lines.slice(failedAt).some((line) => 'acknowledged' in line)).toBe(false)
      }
      const syncs = (await readFile(trace, 'utf8')).split('\n').filter((line) => line.includes('sync('))
      expect(syncs.at(-1)).toContain('INJECTED')
      const storage = await openSqliteStorage({ directory })
      if (lines.length > 0) expect(storage.wasClean).toBe(false)
      await checkLog(storage, writer.acknowledged)
      await storage.close()
    },
  )
})

describe('a full disk', () => {
  /** A file system of its own, of `megabytes`. */
  async function smallDisk(megabytes: number): Promise<string> {
    const directory = join(await temporaryDirectory(), 'disk')
    await mkdir(directory)
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', directory])
    } catch (cause) {
      throw new Error('This test mounts a tmpfs: run it as root (sudo npm test).', { cause })
    }
    onTestFinished(() => void execFileSync('umount', [directory]))
    return directory
  }

  test('fails the commit that does not fit and all after it; with room again, all acknowledged is there', async () => {
    const directory = await smallDisk(4)
    const storage = await openSqliteStorage({ directory })
    const failures: string[] = []
    storage.onFailure(({ code }) => failures.push(code))
    let acknowledged = -1
    let refusal: unknown
    for (let index = 0; refusal === undefined; index++) {
      await storage.commit(append(index), { durable: true }).then(
        () => (acknowledged = index),
        (error) => (refusal = error),
      )
    }
    expect(acknowledged).toBeGreaterThan(20)
    expect(refusal).toMatchObject({
      code: 'STORAGE_FAILED',
      cause: { code: expect.stringMatching(/^SQLITE_/) },
    })
    await expect(storage.commit(append(acknowledged + 1), { durable: true })).rejects.toBe(refusal)
    expect(failures).toEqual(['STORAGE_FAILED'])
    expect(await storage.read(LOG, { from: acknowledged, to: acknowledged + 1, maxBytes: 1 })).toHaveLength(1)
    expect((await storage.space()).freeBytes).toBeLessThan(1_000_000)
    await storage.close()
    execFileSync('mount', ['-o', 'remount,size=32m', directory])
    const again = await openSqliteStorage({ directory })
    expect(again.wasClean).toBe(false)
    const length = await checkLog(again, acknowledged)
    await again.commit(append(length), { durable: true })
    await again.close()
  })

  test('gets back what is free inside the file, in slices for which 10 MiB are enough; with 6 it is not tried', async () => {
    const directory = await smallDisk(64)
    const storage = await openSqliteStorage({ directory })
    const failures: string[] = []
    storage.onFailure(({ code }) => failures.push(code))
    const other = (index: number): Write => ({ type: 'append', log: 'other/0', entries: [logEntry(index)] })
    // What goes lies before and among what stays, which has to be moved.
    for (let index = 0; index < 300; index++) await storage.commit([other(index)], { durable: false })
    for (let index = 0; index < 1_800; index++) {
      const more = index % 10 === 0 ? [other(300 + index)] : []
      await storage.commit([...append(index), ...more], { durable: false })
    }
    await storage.commit([{ type: 'delete-log', log: 'other/0' }], { durable: true })
    await expect.poll(async () => (await storage.space()).reusableBytes).toBeGreaterThan(4 << 20)
    const { usedBytes, freeBytes, reusableBytes } = await storage.space()
    const { size } = await stat(join(directory, 'portal-mq.db-wal'))
    await writeFile(join(directory, 'ballast'), Buffer.alloc(freeBytes + size - (6 << 20)))
    await storage.makeRoom(reusableBytes)
    for (let index = 1_800; index < 1_810; index++) await storage.commit(append(index), { durable: true })
    expect((await storage.space()).usedBytes).toBeGreaterThanOrEqual(usedBytes)
    await truncate(join(directory, 'ballast'), freeBytes + size - (10 << 20))
    await storage.makeRoom(reusableBytes)
    await expect
      .poll(async () => (await storage.space()).freeBytes)
      .toBeGreaterThan((10 << 20) + reusableBytes - size - (1 << 20))
    expect((await storage.space()).reusableBytes).toBeLessThan(1 << 20)
    expect(failures).toEqual([])
    await checkLog(storage, 1_809)
    await storage.close()
  })

  test('is said when there is no room to open', async () => {
    const directory = await smallDisk(1)
    await writeFile(join(directory, 'ballast'), Buffer.alloc(1_000_000))
    await expect(openSqliteStorage({ directory })).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
  })
})
