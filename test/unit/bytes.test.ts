import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  ByteReader,
  ByteWriter,
  expectEnd,
  seal,
  sealedWriter,
  unseal,
  varintLength,
} from '../../src/core/bytes.js'
import { isPortalError } from '../../src/core/errors.js'
import { portableCrc32 } from '../../src/runtime/crc32.js'

const unsigned = fc.oneof(
  fc.maxSafeNat(),
  fc.nat(300),
  fc.constantFrom(2 ** 28 - 1, 2 ** 28, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 52, 2 ** 53 - 1),
)
const signed = fc.oneof(
  fc.maxSafeInteger(),
  fc.integer({ min: -300, max: 300 }),
  unsigned,
  unsigned.map((value) => -value || 0),
)
// Any UTF-16, lone surrogates included.
const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({ maxLength: 300 }),
  fc.array(fc.nat(0xffff), { maxLength: 60 }).map((units) => String.fromCharCode(...units)),
)

function written(write: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter(1)
  write(writer)
  return writer.finish()
}

function leb128(value: bigint): number[] {
  const bytes: number[] = []
  for (let rest = value; ; rest >>= 7n) {
    if (rest < 128n) return [...bytes, Number(rest)]
    bytes.push(Number(rest & 127n) | 128)
  }
}

describe('ByteWriter and ByteReader', () => {
  it('write unsigned numbers as shortest LEB128 and read them back', () => {
    fc.assert(
      fc.property(unsigned, (value) => {
        const bytes = written((writer) => writer.varint(value))
        expect([...bytes]).toEqual(leb128(BigInt(value)))
        expect(bytes.length).toBe(varintLength(value))
        const reader = new ByteReader(bytes)
        expect(reader.varint()).toBe(value)
        expectEnd(reader)
      }),
    )
  })

  it('write signed numbers as zigzag LEB128 over the whole safe range and read them back', () => {
    fc.assert(
      fc.property(signed, (value) => {
        const bytes = written((writer) => writer.zigzag(value))
        const wide = BigInt(value)
        expect([...bytes]).toEqual(leb128(wide < 0n ? -2n * wide - 1n : 2n * wide))
        const reader = new ByteReader(bytes)
        expect(reader.zigzag()).toBe(value)
        expectEnd(reader)
      }),
    )
  })

  it('write text as TextEncoder does, whatever its length and characters', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const encoded = new TextEncoder().encode(text)
        const bytes = written((writer) => writer.string(text))
        expect([...bytes]).toEqual([...leb128(BigInt(encoded.length)), ...encoded])
        const reader = new ByteReader(bytes)
        expect(reader.string()).toBe(new TextDecoder('utf-8', { ignoreBOM: true }).decode(encoded))
        expectEnd(reader)
      }),
    )
  })

  it('moves the text when its length needs a wider varint than guessed', () => {
    const text = `é${'a'.repeat(126)}`
    const reader = new ByteReader(written((writer) => writer.string(text)))
    expect(reader.string()).toBe(text)
    expectEnd(reader)
  })

  it('keeps a byte order mark at the start of a text', () => {
    const reader = new ByteReader(written((writer) => writer.string('\ufeffa text that is long')))
    expect(reader.string()).toBe('\ufeffa text that is long')
  })

  it('read any sequence of fields back in order', () => {
    const field = fc.oneof(
      fc.record({ type: fc.constant('u8' as const), value: fc.nat(255) }),
      fc.record({ type: fc.constant('varint' as const), value: unsigned }),
      fc.record({ type: fc.constant('zigzag' as const), value: signed }),
      fc.record({ type: fc.constant('string' as const), value: fc.string({ unit: 'grapheme' }) }),
      fc.record({ type: fc.constant('bytes' as const), value: fc.uint8Array() }),
    )
    fc.assert(
      fc.property(fc.array(field), (fields) => {
        const bytes = written((writer) => {
          for (const { type, value } of fields) (writer[type] as (value: unknown) => void)(value)
        })
        const reader = new ByteReader(bytes)
        for (const { type, value } of fields) expect(reader[type]()).toEqual(value)
        expectEnd(reader)
      }),
    )
  })

  it('refuses to write what is not an integer of 53 bits', () => {
    for (const value of [-1, 0.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY]) {
      expect(() => written((writer) => writer.varint(value))).toThrow(/cannot be encoded/)
    }
    for (const value of [0.5, -0.5, Number.NaN, 2 ** 53, -(2 ** 53)]) {
      expect(() => written((writer) => writer.zigzag(value))).toThrow(/cannot be encoded/)
    }
  })

  it('says where a reserved place is, and truncates', () => {
    const writer = new ByteWriter(0)
    writer.u8(7)
    expect(writer.reserve(3)).toBe(1)
    writer.u8(9)
    writer.truncate(4)
    expect([...writer.finish()]).toEqual([7, 0, 0, 0])
  })

  it('reserves zeros even where an earlier use left something', () => {
    const writer = new ByteWriter(8)
    writer.raw(new Uint8Array(4).fill(0xff))
    writer.truncate()
    writer.reserve(4)
    expect([...writer.finish()]).toEqual([0, 0, 0, 0])
  })

  it('hands out bytes that a later write does not change', () => {
    const writer = new ByteWriter(4)
    writer.raw(Uint8Array.of(0, 0, 0, 1))
    const bytes = writer.finish()
    writer.raw(Uint8Array.of(0, 0, 0, 2))
    expect([...bytes]).toEqual([0, 0, 0, 1])
    writer.u8(3)
    const copied = writer.finish()
    writer.raw(Uint8Array.of(0, 0, 0, 4))
    expect([...copied]).toEqual([0, 0, 0, 2, 3])
  })

  it('shows what was written so far without a copy', () => {
    const writer = new ByteWriter(64)
    writer.raw(Uint8Array.of(1, 2, 3))
    const view = writer.view()
    expect([...view]).toEqual([1, 2, 3])
    expect(view.buffer.byteLength).toBe(64)
    expect(writer.view().buffer).toBe(view.buffer)
    writer.u8(4)
    expect([...writer.view()]).toEqual([1, 2, 3, 4])
    expect([...writer.finish()]).toEqual([1, 2, 3, 4])
    expect([...writer.view()]).toEqual([])
  })

  it('puts the length before a block, however wrong the estimate', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(20_000), (content, estimate) => {
        const bytes = written((writer) => {
          writer.u8(1)
          const start = writer.beginBlock(estimate)
          writer.raw(content)
          writer.endBlock(start, estimate)
          writer.u8(2)
        })
        const reader = new ByteReader(bytes)
        expect([reader.u8(), reader.bytes(), reader.u8()]).toEqual([1, content, 2])
        expectEnd(reader)
      }),
    )
  })

  it('reads within the bounds it was given', () => {
    const reader = new ByteReader(Uint8Array.of(1, 2, 3, 4), 1, 3)
    expect([reader.u8(), reader.remaining, reader.position]).toEqual([2, 1, 2])
    expect([...reader.raw(1)]).toEqual([3])
    expect(() => reader.u8()).toThrow(/byte 3/)
  })

  it('says where the bytes end early', () => {
    const reader = new ByteReader(Uint8Array.of(1, 2, 3))
    reader.u8()
    expect(() => reader.raw(4)).toThrow(/byte 1: 4 bytes are announced, 2 are there/)
    expect(() => reader.bytes(1)).toThrow(/limit of 1/)
  })

  it.each([
    ['a padded number', [0x80, 0x00]],
    ['a padded number of more than 28 bits', [0x80, 0x80, 0x80, 0x80, 0x00]],
    ['a number of 54 bits', [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f]],
    ['a number of nine bytes', [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]],
    ['a number that ends early', [0x80]],
  ])('finds %s CORRUPT', (_, bytes) => {
    expect(() => new ByteReader(Uint8Array.from(bytes)).varint()).toThrow(/Damaged data/)
  })

  it('finds signed numbers outside the safe range CORRUPT', () => {
    const lowest = leb128(2n * (2n ** 53n - 1n) + 1n)
    expect(() => new ByteReader(Uint8Array.from(lowest)).zigzag()).toThrow(/53 bits/)
    expect(() => new ByteReader(Uint8Array.from(leb128(2n ** 54n))).zigzag()).toThrow(/53 bits/)
  })

  it('throws nothing but CORRUPT on random bytes', () => {
    const reads = fc.array(fc.constantFrom('u8', 'varint', 'zigzag', 'string', 'bytes'))
    fc.assert(
      fc.property(fc.uint8Array(), reads, (bytes, methods) => {
        const reader = new ByteReader(bytes)
        try {
          for (const method of methods) reader[method as 'u8']()
          expectEnd(reader)
        } catch (error) {
          if (!isPortalError(error, 'CORRUPT')) throw error
        }
        expect(reader.position).toBeLessThanOrEqual(bytes.length)
      }),
    )
  })
})

describe('seal', () => {
  it('comes off again, and any flipped bit is noticed', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.nat(), fc.nat(7), (body, where, bit) => {
        const writer = sealedWriter()
        writer.raw(body)
        const sealed = seal(writer, portableCrc32)
        expect(unseal(sealed, portableCrc32)).toEqual(body)
        const at = where % sealed.length
        sealed[at] = (sealed[at] as number) ^ (1 << bit)
        expect(() => unseal(sealed, portableCrc32)).toThrow(/checksum/)
      }),
    )
  })

  it('is written over the first four bytes of given bytes, in place', () => {
    const payload = Uint8Array.of(0, 0, 0, 0, 0x61)
    expect(seal(payload, portableCrc32)).toBe(payload)
    expect([...payload]).toEqual([0xe8, 0xb7, 0xbe, 0x43, 0x61])
  })

  it('is missed in a payload that is too short', () => {
    expect(() => unseal(Uint8Array.of(1, 2, 3), portableCrc32)).toThrow(/no seal/)
  })
})
