import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import {
  Admin,
  type Broker,
  Consumer,
  createBroker,
  isPortalError,
  Producer,
  Reader,
} from '../../src/index.js'
import { CONNECTION } from '../../src/protocol/connection.js'
import { bundleProgram } from '../support/bundle.js'
import { needProgram } from './storage/process.js'
import { openBroker, temporaryDirectory } from './support/broker.js'
import { startProgram } from './support/child.js'

let program: string
beforeAll(async () => {
  needProgram('strace', 'apt-get install strace, or: dnf install strace')
  program = await bundleProgram('test/integration/failure/child.ts', 'failure-child')
})

test('a disk that fails ends the broker: error, close, every call rejects, the process ends; all that was acknowledged is there again [invariants 3, 13]', {
  timeout: 60_000,
}, async () => {
  const directory = await temporaryDirectory()
  await (await createBroker({ directory })).close()
  const inject = ['-e', 'trace=fsync,fdatasync', '-e', 'inject=fsync,fdatasync:error=EIO:when=30+']
  const strace = ['-f', '--seccomp-bpf', '-e', 'signal=none', '-o', '/dev/null', ...inject]
  const child = startProgram(['strace', ...strace, process.execPath, program, directory])
  expect(await child.ended).toBe(0)
  const sent = child.lines.filter((line) => line.startsWith('sent ')).length
  expect(sent).toBeGreaterThan(5)
  const rest = child.lines.filter((line) => !line.startsWith('sent '))
  expect(rest.slice().sort()).toEqual(
    [
      'error STORAGE_FAILED',
      'close STORAGE_FAILED',
      'lock STORAGE_FAILED',
      'send STORAGE_FAILED',
      'receive STORAGE_FAILED',
      'run STORAGE_FAILED',
      'acquire STORAGE_FAILED',
      'afterwards STORAGE_FAILED',
      'broker.close() resolved',
    ].sort(),
  )
  const broker = await openBroker({ directory })
  const stored: unknown[] = []
  for await (const { value } of new Reader(broker, 't')) stored.push(value)
  expect(stored.slice(0, sent)).toEqual(Array.from({ length: sent }, (_, at) => at))
  // The one whose commit failed was not acknowledged, and may be there or not.
  expect(stored.length - sent).toBeLessThanOrEqual(1)
  expect(await new Producer(broker).send('t', 'again')).toMatchObject({ offset: stored.length })
})

/** A file system of its own, of `megabytes`. */
async function smallDisk(megabytes: number): Promise<string> {
  const directory = join(await temporaryDirectory(), 'disk')
  await mkdir(directory)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', directory])
  } catch (cause) {
    throw new Error('This test mounts a tmpfs: run it as root (sudo npm test).', { cause })
  }
  onTestFinished(() => void execFileSync('umount', ['-l', directory]))
  return directory
}

test('a disk with less than the reserve refuses messages with STORAGE_FULL; settling and reading go on; with room again all goes on', {
  timeout: 60_000,
}, async () => {
  const directory = await smallDisk(128)
  const broker = await openBroker({ directory })
  const told: string[] = []
  broker.on('error', ({ code }) => told.push(code))
  const producer = new Producer(broker)
  for (let at = 0; at < 20; at++) await producer.send('t', at)
  const consumer = new Consumer<number>(broker, 't')
  const held = await consumer.receive()
  await writeFile(join(directory, 'ballast'), Buffer.alloc(70 << 20))
  // The producer tries again until its deadline: what is retriable is not the caller's trouble before.
  const impatient = new Producer(broker, { deliveryTimeout: 300 })
  let refusal: unknown
  await expect
    .poll(
      async () => {
        refusal = await impatient.send('t', 'refused').then(
          () => undefined,
          (error) => error,
        )
        return refusal
      },
      { timeout: 20_000, interval: 100 },
    )
    .toBeDefined()
  expect(refusal).toMatchObject({
    code: 'STORAGE_FULL',
    message: expect.stringMatching(/not stored.*disk.*room/s),
  })
  // Once, however long it lasts.
  expect(told).toEqual(['STORAGE_FULL'])
  const patient = producer.send('t', 'patient')
  await held.ack()
  for (let at = 1; at < 20; at++) {
    const message = await consumer.receive()
    expect(message.value).toBe(at)
    await message.ack()
  }
  expect((await new Admin(broker).describeGroup('t', 'default')).partitions[0]).toMatchObject({ acked: 20 })
  let read = 0
  for await (const _ of new Reader(broker, 't')) read++
  expect(read).toBeGreaterThanOrEqual(20)
  await rm(join(directory, 'ballast'))
  const { offset } = await patient
  expect(offset).toBe(read)
  expect((await new Consumer(broker, 't', { group: 'all', from: new Date(0) }).receive()).value).toBe(0)
  await broker.close()
})

/** 'ready', or the code of why no messages are taken. */
async function readiness(broker: Broker): Promise<string> {
  try {
    await broker[CONNECTION].service.checkReady()
    return 'ready'
  } catch (error) {
    return isPortalError(error) ? error.code : String(error)
  }
}

test('a disk that others have filled: what a deleted topic leaves inside the file is given back until messages are taken again', {
  timeout: 60_000,
}, async () => {
  const directory = await smallDisk(128)
  const broker = await openBroker({ directory })
  const producer = new Producer(broker)
  const block = randomBytes(900_000)
  for (let at = 0; at < 8; at++) await producer.send('deleted', block)
  for (let at = 0; at < 30; at++) await producer.send('kept', block)
  const { storage } = await new Admin(broker).describeCluster()
  await writeFile(join(directory, 'ballast'), Buffer.alloc(storage!.freeBytes - (61 << 20)))
  await expect.poll(() => readiness(broker), { timeout: 20_000, interval: 50 }).toBe('STORAGE_FULL')
  // Less than the part of the file that is kept free otherwise.
  await new Admin(broker).deleteTopic('deleted')
  await expect.poll(() => readiness(broker), { timeout: 20_000, interval: 50 }).toBe('ready')
  expect(await producer.send('kept', 'again')).toMatchObject({ offset: 30 })
  await broker.close()
})
