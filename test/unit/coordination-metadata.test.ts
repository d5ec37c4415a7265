import { describe, expect, it } from 'vitest'
import { Metadata } from '../../src/coordination/metadata.js'
import { seededRandom } from '../../src/runtime/virtual.js'
import { ME, makeTopic, metadataSuite } from '../support/metadata-suite.js'
import { FakeDisk, openTree } from './coordination-support.js'

metadataSuite(() => {
  const disk = new FakeDisk()
  return {
    async start() {
      const tree = await openTree(disk)
      return async () => tree.connect()
    },
    async settle() {
      for (let turn = 0; turn < 200; turn++) await undefined
    },
  }
}, 30)

describe('taking the lead in process', () => {
  it('begins a new epoch in every partition with one save, within 100 ms for 1,000', async () => {
    const { recipes, disk } = await opened()
    await Promise.all(Array.from({ length: 1_000 }, (_, n) => makeTopic(recipes, `t${n}`, `topic-${n}`, 1)))
    const durations: number[] = []
    for (let opening = 1; opening <= 3; opening++) {
      const after = await opened(disk)
      const loaded = await after.recipes.loadAll()
      disk.saves.length = 0
      const started = performance.now()
      const led = await after.recipes.takeLeadership(
        loaded.flatMap(({ partitions }) => partitions),
        ME,
      )
      durations.push(performance.now() - started)
      expect(disk.saves).toHaveLength(1)
      expect(led).toHaveLength(1_000)
      expect(led.every(({ epoch, version }) => epoch === opening && version === opening)).toBe(true)
    }
    // The best of three: others use this machine too.
    expect(Math.min(...durations)).toBeLessThan(100)
  })
})

async function opened(disk = new FakeDisk()) {
  const store = (await openTree(disk)).connect()
  return { disk, recipes: new Metadata(store, { writer: 'b1', random: seededRandom(1) }) }
}
