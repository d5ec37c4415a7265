import { expect, it } from 'vitest'
import { sharedReads } from '../../src/broker/cluster/shared-reads.js'

/** Reads that end when they are told to. */
function openReads() {
  const begun: { key: string; end: (value: string) => void; fail: (error: unknown) => void }[] = []
  const read = sharedReads((key) => new Promise<string>((end, fail) => begun.push({ key, end, fail })))
  return { begun, read }
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve))

it('a thousand who ask while one read is under way share one that begins after it', async () => {
  const { begun, read } = openReads()
  const first = read('t')
  const others = Array.from({ length: 1_000 }, () => read('t'))
  await settled()
  expect(begun).toHaveLength(1)
  begun[0]!.end('before')
  expect(await first).toBe('before')
  await settled()
  expect(begun).toHaveLength(2)
  begun[1]!.end('after')
  expect(new Set(await Promise.all(others))).toEqual(new Set(['after']))
})

it('a read that began before a question does not answer it, at whatever moment it ends', async () => {
  let version = 0
  const read = sharedReads(async () => {
    const seen = version
    for (let turn = 0; turn < 3; turn++) await undefined
    return seen
  })
  const answers: Promise<void>[] = []
  for (let at = 1; at <= 200; at++) {
    version = at
    answers.push(read('t').then((seen) => expect(seen).toBeGreaterThanOrEqual(at)))
    for (let turn = 0; turn < at % 7; turn++) await undefined
  }
  await Promise.all(answers)
})

it('different things are read apart, a read that fails answers those alone who asked for it, and nothing is remembered', async () => {
  const { begun, read } = openReads()
  const failed = read('a')
  const next = read('a')
  const other = read('b')
  begun[0]!.fail(new Error('gone'))
  await expect(failed).rejects.toThrow('gone')
  await settled()
  expect(begun.map(({ key }) => key)).toEqual(['a', 'b', 'a'])
  begun[1]!.end('b')
  begun[2]!.end('a')
  expect(await Promise.all([next, other])).toEqual(['a', 'b'])
  void read('a')
  expect(begun).toHaveLength(4)
})
