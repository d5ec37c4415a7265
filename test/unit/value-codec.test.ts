import { runInNewContext } from 'node:vm'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isPortalError } from '../../src/core/errors.js'
import { RecordBatchBuilder } from '../../src/core/record-batch-builder.js'
import { RecordBatchView } from '../../src/core/record-batch-view.js'
import { decodeValue, encodeValue } from '../../src/core/value-codec.js'

function roundTrip(value: unknown): unknown {
  const builder = new RecordBatchBuilder(crc32)
  builder.tryAppend({ ...encodeValue(value), timestamp: 0 })
  return decodeValue(new RecordBatchView(builder.seal('', 0, 0)), 0)
}

describe('a value', () => {
  it('that JSON can carry comes back as JSON makes it', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(roundTrip(value)).toEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
  })

  it('that is text comes back as text, not as JSON', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        expect(encodeValue(value).contentType).toBe('text')
        expect(roundTrip(value)).toBe(value)
      }),
    )
    expect(roundTrip('{"a":1}')).toBe('{"a":1}')
  })

  it('that is bytes comes back as bytes of its own', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (value) => {
        expect(encodeValue(value).contentType).toBe('raw')
        expect(roundTrip(value)).toEqual(value)
      }),
    )
    const whole = Buffer.from('a longer text')
    expect(roundTrip(whole.subarray(2, 8))).toEqual(new TextEncoder().encode('longer'))
    expect((roundTrip(Uint8Array.of(1)) as Uint8Array).buffer.byteLength).toBe(1)
  })

  it('that is bytes of another realm is bytes', () => {
    expect(roundTrip(runInNewContext('Uint8Array.of(1, 2)'))).toEqual(Uint8Array.of(1, 2))
  })

  it('follows toJSON and JSON.stringify in what is nested', () => {
    const date = new Date(5)
    expect(roundTrip(date)).toBe(date.toISOString())
    expect(roundTrip({ at: date, gone: undefined, call: () => 1, list: [undefined, Number.NaN] })).toEqual({
      at: date.toISOString(),
      list: [null, null],
    })
    expect(roundTrip(null)).toBe(null)
  })

  const cycle: Record<string, unknown> = {}
  cycle['self'] = cycle
  it.each([
    ['undefined', undefined, /type undefined/],
    ['a function', () => 1, /type function/],
    ['a symbol', Symbol('s'), /type symbol/],
    ['a bigint', 1n, /BigInt/],
    ['a nested bigint', { deep: [1n] }, /BigInt/],
    ['a cycle', cycle, /circular/],
    ['a toJSON that gives nothing', { toJSON: () => undefined }, /toJSON returns undefined/],
    ['numbers in a typed array', new Float64Array(2), /type Float64Array.*Uint8Array/],
    ['an ArrayBuffer', new ArrayBuffer(2), /type ArrayBuffer.*Uint8Array/],
  ])('is refused by name when it is %s', (_, value, message) => {
    let thrown: unknown
    try {
      encodeValue(value)
    } catch (error) {
      thrown = error
    }
    expect(isPortalError(thrown, 'INVALID_ARGUMENT')).toBe(true)
    expect((thrown as Error).message).toMatch(message)
  })

  it('that says it is JSON and is not is CORRUPT', () => {
    const builder = new RecordBatchBuilder(crc32)
    builder.tryAppend({ contentType: 'json', value: '{', timestamp: 0 })
    const view = new RecordBatchView(builder.seal('', 0, 0))
    expect(() => decodeValue(view, 0)).toThrow(/says that it is JSON/)
  })
})
