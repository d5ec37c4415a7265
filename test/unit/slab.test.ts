import { describe, expect, it } from 'vitest'
import { Slab } from '../../src/core/slab.js'

describe('Slab', () => {
  it('gives nobody bytes that another one has', () => {
    const slab = new Slab()
    const pieces = Array.from({ length: 500 }, (_, i) => {
      const piece = slab.take(i)
      expect(piece.length).toBe(i)
      return piece.fill(i)
    })
    for (const [i, piece] of pieces.entries()) expect(piece.every((byte) => byte === i % 256)).toBe(true)
  })

  it('makes one buffer for many small pieces, and leaves large ones alone', () => {
    const slab = new Slab()
    const small = Array.from({ length: 64 }, () => slab.take(100))
    expect(new Set(small.map(({ buffer }) => buffer)).size).toBe(1)
    const large = slab.take(100_000)
    expect(large.buffer.byteLength).toBe(100_000)
    expect(slab.take(100).buffer).toBe(small[0]!.buffer)
  })
})
