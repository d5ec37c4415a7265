import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteReader, seal } from '../../src/core/bytes.js'
import { isPortalError } from '../../src/core/errors.js'
import { CONTENT_TYPES, MAX_TIMESTAMP, type RecordInput } from '../../src/core/record.js'
import { RecordBatchBuilder } from '../../src/core/record-batch-builder.js'
import { readBatchHeader } from '../../src/core/record-batch-header.js'
import { recutBatch } from '../../src/core/record-batch-recut.js'
import { verifyBatch } from '../../src/core/record-batch-verify.js'
import { RecordBatchView, rebuildRecord, recordId, recordIds } from '../../src/core/record-batch-view.js'

const LIMITS = { maxMessageBytes: 1 << 20 }
const UNLIMITED = { maxRecords: Number.POSITIVE_INFINITY, maxBytes: Number.POSITIVE_INFINITY }
const NOW = 1_700_000_000_000

const text = fc.string({ unit: 'grapheme', maxLength: 200 })
const name = fc.oneof(text, fc.constantFrom('__proto__', 'constructor', '', 'trace'))
const record: fc.Arbitrary<RecordInput> = fc.record(
  {
    contentType: fc.constantFrom(...CONTENT_TYPES),
    value: fc.oneof(text, fc.uint8Array({ maxLength: 300 })),
    key: fc.option(fc.oneof(text, fc.uint8Array({ maxLength: 40 })), { nil: undefined }),
    headers: fc.array(fc.tuple(name, text), { maxLength: 4 }).map((pairs) => Object.fromEntries(pairs)),
    timestamp: fc.oneof(
      fc.integer({ min: NOW, max: NOW + 10_000 }),
      fc.integer({ min: -MAX_TIMESTAMP, max: MAX_TIMESTAMP }),
    ),
    id: fc.option(text, { nil: undefined }),
  },
  { requiredKeys: ['contentType', 'value', 'timestamp'] },
)
const records = fc.array(record, { maxLength: 20 })
const sequence = fc.oneof(fc.nat(1000), fc.nat(2 ** 40))

function build(inputs: readonly RecordInput[], producerId = 'producer', epoch = 1, base = 0): Uint8Array {
  const builder = new RecordBatchBuilder(crc32, UNLIMITED)
  for (const input of inputs) expect(builder.tryAppend(input)).toBe(true)
  return builder.seal(producerId, epoch, base)
}

function plain(value: string): RecordInput {
  return { contentType: 'text', value, timestamp: NOW }
}

function valueBytes({ value }: RecordInput): Uint8Array {
  return typeof value === 'string' ? new TextEncoder().encode(value) : value
}

function expectRecord(view: RecordBatchView, at: number, input: RecordInput): void {
  expect(view.contentType(at)).toBe(input.contentType)
  expect(view.timestamp(at)).toBe(input.timestamp)
  expect(view.key(at)).toEqual(input.key)
  expect([...view.valueBytes(at)]).toEqual([...valueBytes(input)])
  if (typeof input.value === 'string') expect(view.valueText(at)).toBe(input.value)
  expect(Object.entries(view.headers(at))).toEqual(Object.entries(input.headers ?? {}))
  expect(recordId(view, at)).toBe(input.id)
}

/** A changed batch whose seal fits again. */
function resealed(bytes: Uint8Array): Uint8Array {
  return seal(bytes, crc32)
}

function expectOnlyPortalErrors(work: () => void): void {
  try {
    work()
  } catch (error) {
    if (!isPortalError(error, 'CORRUPT', 'UNSUPPORTED', 'MESSAGE_TOO_LARGE')) throw error
  }
}

describe('a record batch', () => {
  it('gives back what was put in, field by field, in any order', () => {
    fc.assert(
      fc.property(records, text, sequence, sequence, (inputs, producerId, epoch, base) => {
        const bytes = build(inputs, producerId, epoch, base)
        const header = verifyBatch(bytes, crc32, LIMITS)
        expect(header).toEqual({
          producerId,
          producerEpoch: epoch,
          baseSequence: base,
          count: inputs.length,
          sequenceSkip: 0,
          baseTimestamp: inputs[0]?.timestamp ?? 0,
          hasIds: inputs.some(({ id }) => id !== undefined),
          hasKeys: inputs.some(({ key }) => key !== undefined),
          recordsStart: header.recordsStart,
        })
        expect(readBatchHeader(bytes)).toEqual(header)
        const view = new RecordBatchView(bytes)
        for (let at = inputs.length - 1; at >= 0; at--) expectRecord(view, at, inputs[at]!)
        expect(recordIds(bytes)).toEqual(inputs.map(({ id }) => id))
      }),
    )
  })

  it('has the documented bytes', () => {
    const bytes = build(
      [
        { contentType: 'json', value: '{}', key: 'k', headers: { h: 'v' }, timestamp: 5, id: 'i' },
        { contentType: 'raw', value: Uint8Array.of(9), key: Uint8Array.of(7), timestamp: 4 },
      ],
      'p',
      2,
      300,
    )
    expect([...bytes.subarray(4)]).toEqual([
      ...[1, 3, 1, 0x70, 2, 0xac, 0x02, 2, 0, 10],
      ...[14, 4 + 8 + 16 + 32, 0, 1, 0x6b, 2, 0x7b, 0x7d, 1, 1, 0x68, 1, 0x76, 1, 0x69],
      ...[6, 2 + 4, 1, 1, 7, 1, 9],
    ])
  })

  it('takes its own copy of what is appended', () => {
    const value = Uint8Array.of(1, 2, 3)
    const key = Uint8Array.of(4)
    const builder = new RecordBatchBuilder(crc32)
    builder.tryAppend({ contentType: 'raw', value, key, timestamp: NOW })
    value.fill(0)
    key.fill(0)
    const view = new RecordBatchView(builder.seal('', 0, 0))
    expect([[...view.valueBytes(0)], view.key(0)]).toEqual([[1, 2, 3], Uint8Array.of(4)])
  })

  it('is not changed by what its builder, or another, does after sealing', () => {
    const builder = new RecordBatchBuilder(crc32)
    builder.tryAppend({ ...plain('one'), key: 'k', id: 'i' })
    const first = builder.seal('p', 1, 7)
    const copy = first.slice()
    const { size } = builder
    expect(builder.tryAppend(plain('two'))).toBe(false)
    expect([builder.count, builder.size]).toEqual([1, size])
    expect(build([plain('two')])).not.toEqual(first)
    expect(first).toEqual(copy)
    expect(first.buffer.byteLength).toBe(first.length)
  })

  it('can be sealed again under another sequence', () => {
    fc.assert(
      fc.property(records, text, sequence, (inputs, producerId, base) => {
        const builder = new RecordBatchBuilder(crc32, UNLIMITED)
        for (const input of inputs) builder.tryAppend(input)
        const first = builder.seal('producer', 0, 7)
        const copy = first.slice()
        expect(builder.seal(producerId, 1, base)).toEqual(build(inputs, producerId, 1, base))
        expect(builder.seal('producer', 0, 7)).toEqual(copy)
        expect(first).toEqual(copy)
      }),
    )
  })

  it('is built beside others without a trace of them', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(3), record, fc.boolean())), (steps) => {
        const fresh = () => new RecordBatchBuilder(crc32, UNLIMITED)
        const builders = [fresh(), fresh(), fresh(), fresh()]
        const taken: RecordInput[][] = [[], [], [], []]
        for (const [which, input, cut] of steps) {
          builders[which]!.tryAppend(input)
          taken[which]!.push(input)
          if (!cut) continue
          expect(builders[which]!.seal('p', 1, 2)).toEqual(build(taken[which]!, 'p', 1, 2))
          builders[which] = fresh()
          taken[which] = []
        }
      }),
    )
  })

  it('is full at its number of records', () => {
    const builder = new RecordBatchBuilder(crc32)
    let count = 0
    while (builder.tryAppend(plain('x'))) count++
    expect([count, builder.count]).toEqual([100, 100])
  })

  it('is full at its number of bytes, and a refused record leaves no trace', () => {
    fc.assert(
      fc.property(
        fc.array(record, { maxLength: 30 }),
        fc.integer({ min: 1, max: 2_000 }),
        (inputs, maxBytes) => {
          const builder = new RecordBatchBuilder(crc32, { maxBytes })
          const taken: RecordInput[] = []
          for (const input of inputs) {
            const { size, count } = builder
            const alone = new RecordBatchBuilder(crc32, UNLIMITED)
            for (const earlier of [...taken, input]) alone.tryAppend(earlier)
            const fits = taken.length === 0 || alone.size <= maxBytes
            expect(builder.tryAppend(input)).toBe(fits)
            if (fits) taken.push(input)
            else expect([builder.size, builder.count]).toEqual([size, count])
          }
          expect(builder.seal('p', 1, 0)).toEqual(build(taken, 'p', 1, 0))
        },
      ),
      { numRuns: 60 },
    )
  })

  it('holds one record that is larger than the limit', () => {
    const builder = new RecordBatchBuilder(crc32, { maxBytes: 10 })
    expect(builder.tryAppend(plain('x'.repeat(100_000)))).toBe(true)
    expect(builder.tryAppend(plain(''))).toBe(false)
    expect(new RecordBatchView(builder.seal('p', 0, 0)).valueText(0).length).toBe(100_000)
  })

  it.each([0.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY])(
    'refuses the timestamp %s and is as before',
    (bad) => {
      const builder = new RecordBatchBuilder(crc32)
      builder.tryAppend(plain('one'))
      expect(() => builder.tryAppend({ ...plain('two'), timestamp: bad })).toThrow(/whole milliseconds/)
      expect(builder.seal('p', 0, 0)).toEqual(build([plain('one')], 'p', 0, 0))
    },
  )

  it('says so when asked for a record that it does not hold', () => {
    expect(() => new RecordBatchView(build([plain('one')])).valueText(1)).toThrow(RangeError)
  })
})

describe('verifyBatch', () => {
  it('finds every flipped bit', () => {
    fc.assert(
      fc.property(records, fc.nat(), fc.nat(7), (inputs, where, bit) => {
        const bytes = build(inputs)
        const at = where % bytes.length
        bytes[at] = bytes[at]! ^ (1 << bit)
        expect(() => verifyBatch(bytes, crc32, LIMITS)).toThrow(/checksum/)
      }),
    )
  })

  it('throws nothing but typed errors on garbage under a good seal', () => {
    const mutation = fc.tuple(fc.nat(), fc.oneof(fc.nat(255), fc.constantFrom(0, 0x7f, 0x80, 0xff)))
    fc.assert(
      fc.property(
        records,
        fc.array(mutation, { minLength: 1, maxLength: 4 }),
        fc.nat(5),
        (inputs, changes, cut) => {
          const bytes = build(inputs)
          for (const [where, byte] of changes) bytes[4 + (where % (bytes.length - 4))] = byte
          const damaged = resealed(bytes.slice(0, Math.max(4, bytes.length - cut)))
          expectOnlyPortalErrors(() => {
            const { count } = verifyBatch(damaged, crc32, LIMITS)
            // What is verified can be read in every field, cut, and built again.
            const view = new RecordBatchView(damaged)
            for (let at = 0; at < count; at++)
              expect(() => rebuildRecord(view, at, { headers: {} })).not.toThrow()
            recordIds(damaged)
            verifyBatch(recutBatch(damaged, 0, count, 1, crc32), crc32, LIMITS)
          })
          // Even unverified, reading ends in a typed error or in nonsense, never in a hang or a huge allocation.
          expectOnlyPortalErrors(() => recordIds(damaged))
          expectOnlyPortalErrors(() => recutBatch(damaged, 0, readBatchHeader(damaged).count, 0, crc32))
        },
      ),
      { numRuns: 1_000 },
    )
  })

  it('throws nothing but typed errors on random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4, maxLength: 300 }), fc.boolean(), (bytes, plausible) => {
        if (plausible) bytes.set([1, 0].slice(0, Math.max(0, bytes.length - 4)), 4)
        expectOnlyPortalErrors(() => verifyBatch(resealed(bytes), crc32, LIMITS))
      }),
      { numRuns: 500 },
    )
  })

  it('refuses a record above the limit by name of the limit', () => {
    const bytes = build([plain('short'), plain('x'.repeat(200))])
    expect(() => verifyBatch(bytes, crc32, { maxMessageBytes: 100 })).toThrow(/takes 204 bytes.*limit is 100/)
  })

  it.each([
    ['a newer version', 4, 2, 'UNSUPPORTED'],
    ['a version that never was', 4, 0, 'CORRUPT'],
    ['a compression', 5, 4, 'UNSUPPORTED'],
    ['a flag for ids that are not there', 5, 1, 'CORRUPT'],
    ['a false count', 10, 3, 'CORRUPT'],
    ['an unknown attribute', 14, 0x41, 'CORRUPT'],
    ['a content type that is none', 14, 3, 'CORRUPT'],
    ['a text key without a key', 14, 9, 'CORRUPT'],
  ])('refuses %s', (_, at, byte, code) => {
    const bytes = build([{ contentType: 'text', value: 'v', timestamp: 1 }], 'p')
    // seal 0-3, version, flags, 'p' 6-7, epoch, sequence, count, skip, base timestamp, length, attributes
    expect([...bytes.subarray(4)]).toEqual([1, 0, 1, 0x70, 1, 0, 1, 0, 2, 4, 1, 0, 1, 0x76])
    bytes[at] = byte
    let thrown: unknown
    try {
      verifyBatch(resealed(bytes), crc32, LIMITS)
    } catch (error) {
      thrown = error
    }
    expect(isPortalError(thrown) && thrown.code).toBe(code)
  })

  it('refuses timestamps and sequences that leave the exact numbers', () => {
    const late = build([
      { contentType: 'text', value: '', timestamp: MAX_TIMESTAMP },
      { contentType: 'text', value: '', timestamp: MAX_TIMESTAMP - 1 },
    ])
    late[late.length - 2] = 2
    expect(() => verifyBatch(resealed(late), crc32, LIMITS)).toThrow(/timestamp/)
    const far = build([plain('')], 'p', 0, Number.MAX_SAFE_INTEGER)
    expect(() => verifyBatch(far, crc32, LIMITS)).toThrow(/sequences/)
  })
})

describe('recutBatch', () => {
  it('keeps records byte for byte under their own sequences', () => {
    fc.assert(
      fc.property(records, fc.nat(), fc.nat(), fc.nat(50), sequence, (inputs, one, other, skip, base) => {
        const edges = [one % (inputs.length + 1), other % (inputs.length + 1)].sort((a, b) => a - b)
        const [from, to] = edges as [number, number]
        const whole = build(inputs, 'producer', 3, base)
        const part = recutBatch(whole, from, to, skip, crc32)
        const header = verifyBatch(part, crc32, LIMITS)
        expect(header).toMatchObject({
          producerId: 'producer',
          producerEpoch: 3,
          baseSequence: base + from,
          count: to - from,
          sequenceSkip: skip,
        })
        const view = new RecordBatchView(part)
        for (let at = from; at < to; at++) expectRecord(view, at - from, inputs[at]!)
        const reader = new ByteReader(whole, readBatchHeader(whole).recordsStart)
        for (let at = 0; at < from; at++) reader.bytes()
        expect(part.subarray(header.recordsStart)).toEqual(reader.raw(part.length - header.recordsStart))
      }),
    )
  })

  it('refuses to cut beyond the end of a batch', () => {
    expect(() => recutBatch(build([plain('x')]), 0, 2, 0, crc32)).toThrow(/Damaged/)
  })
})

describe('rebuildRecord', () => {
  it('adds headers to a record and keeps the rest', () => {
    const input = { ...plain('v'), key: 'k', headers: { a: '1', b: '2' }, id: 'i' }
    const view = new RecordBatchView(build([input]))
    const rebuilt = rebuildRecord(view, 0, { headers: { b: '3', c: '4' }, timestamp: 5 })
    expectRecord(new RecordBatchView(build([rebuilt])), 0, {
      ...input,
      headers: { a: '1', b: '3', c: '4' },
      timestamp: 5,
    })
    expect(rebuildRecord(view, 0, { headers: {} }).timestamp).toBe(NOW)
  })
})
