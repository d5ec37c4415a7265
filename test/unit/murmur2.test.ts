import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { murmur2, partitionForKey } from '../../src/core/murmur2.js'

const bytes = (text: string) => new TextEncoder().encode(text)

/** MurmurHash2 as its definition reads, in unbounded integers cut to 32 bits after every step. */
function definition(data: Uint8Array): number {
  const cut = (value: bigint) => value & 0xffffffffn
  const multiply = (value: bigint) => cut(value * 0x5bd1e995n)
  let hash = 0x9747b28cn ^ BigInt(data.length)
  const whole = data.length - (data.length % 4)
  for (let at = 0; at < whole; at += 4) {
    let block = 0n
    for (let byte = 3; byte >= 0; byte--) block = (block << 8n) | BigInt(data[at + byte]!)
    block = multiply(block)
    block = multiply(block ^ (block >> 24n))
    hash = multiply(hash) ^ block
  }
  if (whole < data.length) {
    for (let at = data.length - 1; at >= whole; at--) hash ^= BigInt(data[at]!) << BigInt(8 * (at - whole))
    hash = multiply(hash)
  }
  hash = multiply(hash ^ (hash >> 13n))
  return Number(BigInt.asIntN(32, hash ^ (hash >> 15n)))
}

describe('murmur2', () => {
  it.each([
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ])('gives what Kafka gives for %s', (text, hash) => {
    expect(murmur2(bytes(text))).toBe(hash)
  })

  it('is what its definition says, for bytes of any length', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (data) => {
        expect(murmur2(data)).toBe(definition(data))
      }),
    )
  })

  it('sends a key to the partition that Kafka sends it to', () => {
    // toPositive(hash) % partitions: the sign bit is dropped, the absolute value is not taken.
    expect(partitionForKey(bytes('21'), 1000)).toBe((-973932308 & 0x7fffffff) % 1000)
    expect(partitionForKey(bytes('abc'), 7)).toBe(479470107 % 7)
    fc.assert(
      fc.property(fc.uint8Array(), fc.integer({ min: 1, max: 10_000 }), (key, partitions) => {
        const partition = partitionForKey(key, partitions)
        expect(Number.isInteger(partition) && partition >= 0 && partition < partitions).toBe(true)
      }),
    )
  })
})
