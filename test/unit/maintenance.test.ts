import { expect, it, onTestFinished } from 'vitest'
import type { Hosting } from '../../src/broker/hosting.js'
import { Maintenance } from '../../src/broker/maintenance.js'
import { SafeClock } from '../../src/runtime/safe-clock.js'
import { virtualRuntime } from '../../src/runtime/virtual.js'
import { memoryStorage } from '../../src/storage/memory.js'

const MIB = 1 << 20

it('a disk that was full is given back what is missing to 128 MiB, of what is free inside the storage, and no more once it is there', async () => {
  const runtime = virtualRuntime()
  let space = { usedBytes: 1_000 * MIB, freeBytes: 100 * MIB, reusableBytes: 200 * MIB }
  const asked: number[] = []
  const storage = {
    ...memoryStorage(),
    space: async () => space,
    makeRoom: async (bytes: number) => void asked.push(bytes / MIB),
  }
  const noTopics = { topics: [] } as unknown as Hosting
  const maintenance = new Maintenance(
    storage,
    noTopics,
    runtime,
    new SafeClock(runtime.clock),
    () => {},
    () => {},
  )
  onTestFinished(() => maintenance.stop())
  await maintenance.start()
  for (const [freeMib, reusableMib] of [
    [64, 200],
    [63, 0],
    [62, 200],
    [100, 10],
    [128, 10],
    [100, 10],
  ] as const) {
    space = { ...space, freeBytes: freeMib * MIB, reusableBytes: reusableMib * MIB }
    await runtime.advance(1_000)
  }
  expect(asked).toEqual([66, 10])
})
