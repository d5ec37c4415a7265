import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { shapeFault } from '../../src/transport/http/json-shape.js'

const encode = (text: string) => new TextEncoder().encode(text)

describe('the shape of JSON', () => {
  it('is fine for whatever is not contrived, whatever its strings hold', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(shapeFault(encode(JSON.stringify(value)))).toBeUndefined()
      }),
    )
    expect(shapeFault(encode(JSON.stringify({ a: `\\"${'['.repeat(5_000)}` })))).toBeUndefined()
  })

  it.each(['[', '{"a":', '[[{"a":[', '{"__proto__":'])('has an end: %s', (piece) => {
    expect(shapeFault(encode(piece.repeat(100_000)))).toMatch(/deeper than 1000/)
  })

  it('has a size', () => {
    expect(shapeFault(encode(`[${'{},'.repeat(1_500_000)}1]`))).toMatch(/more than 2000000 parts/)
  })

  it('can be looked at in any bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void shapeFault(bytes)))
  })
})
