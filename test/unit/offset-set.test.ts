import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteReader, ByteWriter, expectEnd } from '../../src/core/bytes.js'
import { isPortalError } from '../../src/core/errors.js'
import { OffsetSet } from '../../src/core/offset-set.js'
import { decodeInto, encodeRange } from '../../src/core/offset-set-codec.js'

const SPAN = 5 * 4096

/** The plain thing that OffsetSet must behave like: a flag for each offset. */
class Model {
  readonly #flags = new Uint8Array(16 * 4096)

  get size(): number {
    return this.#flags.reduce((sum, flag) => sum + flag, 0)
  }

  has(offset: number): boolean {
    return this.#flags[offset] === 1
  }

  set(start: number, end: number, add: boolean): number {
    const part = this.#flags.subarray(start, Math.max(start, end))
    let changed = 0
    for (const flag of part) if (flag !== Number(add)) changed++
    part.fill(Number(add))
    return changed
  }

  ranges(from = 0, to = this.#flags.length): number[] {
    const ranges: number[] = []
    for (let offset = from; offset < to; offset++) {
      if (!this.has(offset)) continue
      if (ranges.at(-1) === offset) ranges[ranges.length - 1] = offset + 1
      else ranges.push(offset, offset + 1)
    }
    return ranges
  }

  next(from: number): number {
    return this.#flags.indexOf(1, from)
  }

  nextMissing(from: number): number {
    return this.#flags.indexOf(0, from)
  }

  take(max: number, from: number): number[] {
    const taken = new Model()
    let offset = this.next(from)
    for (let left = max; left > 0 && offset >= 0; left--) {
      this.set(offset, offset + 1, false)
      taken.set(offset, offset + 1, true)
      offset = this.next(offset)
    }
    return taken.ranges()
  }

  copy(): Model {
    const copy = new Model()
    copy.#flags.set(this.#flags)
    return copy
  }
}

// Window edges are where the representation changes, so they come up often.
const offset = fc.oneof(
  fc.nat(SPAN),
  fc.tuple(fc.nat(5), fc.integer({ min: -3, max: 3 })).map(([window, by]) => Math.max(0, window * 4096 + by)),
  fc.nat(200),
)
const length = fc.oneof(fc.nat(3), fc.nat(100), fc.nat(SPAN), fc.constantFrom(4095, 4096, 4097, 8192))
const operation = fc.oneof(
  fc.record({ type: fc.constantFrom('add' as const, 'delete' as const), start: offset, length }),
  fc.record({
    type: fc.constantFrom('comb' as const, 'uncomb' as const),
    start: offset,
    step: fc.integer({ min: 2, max: 9 }),
    count: fc.nat(3000),
  }),
  fc.record({
    type: fc.constant('take' as const),
    start: fc.oneof(fc.constant(0), offset),
    max: fc.nat(5000),
  }),
  fc.record({ type: fc.constant('deleteBelow' as const), start: offset }),
)
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never

/** Applies `one` to both and expects the same result. The set's offsets are moved up by `base`. */
function applyToBoth(one: Operation, set: OffsetSet, model: Model, base: number): void {
  const { start } = one
  if ('length' in one) {
    const changed = model.set(start, start + one.length, one.type === 'add')
    expect(set[one.type](base + start, base + start + one.length)).toBe(changed)
  } else if (one.type === 'take') {
    const expected = model.take(one.max, start).map((at) => at + base)
    expect(set.take(one.max, base + start)).toEqual(expected)
  } else if (one.type === 'deleteBelow') {
    expect(set.deleteBelow(base + start)).toBe(model.set(0, start, false))
  } else {
    const add = one.type === 'comb'
    let changed = 0
    for (let index = 0; index < one.count; index++) {
      const at = start + index * one.step
      changed += model.set(at, at + 1, add) - (add ? set.add(base + at) : set.delete(base + at))
    }
    expect(changed).toBe(0)
  }
}

function expectSame(set: OffsetSet, model: Model, base: number): void {
  const ranges = model.ranges().map((at) => at + base)
  expect(set.ranges()).toEqual(ranges)
  expect(set.size).toBe(model.size)
  expect(set.isEmpty).toBe(model.size === 0)
  expect(set.first()).toBe(ranges[0] ?? -1)
  expect(set.last()).toBe((ranges.at(-1) ?? 0) - 1)
  const visited: number[] = []
  set.forEachRange((start, end) => visited.push(start, end))
  expect(visited).toEqual(ranges)
}

function encoded(set: OffsetSet, from: number, to: number): Uint8Array {
  const writer = new ByteWriter()
  encodeRange(set, writer, from, to)
  return writer.finish()
}

const bases = fc.constantFrom(0, 0, 2 ** 31 - 4096, 2 ** 40, 2 ** 52)

describe('OffsetSet', () => {
  it('does what a plain set does, under any operations', () => {
    fc.assert(
      fc.property(bases, fc.array(operation, { maxLength: 25 }), (base, operations) => {
        const set = new OffsetSet()
        const model = new Model()
        for (const one of operations) applyToBoth(one, set, model, base)
        expectSame(set, model, base)
      }),
      { numRuns: 300 },
    )
  })

  it('answers questions about any place as a plain set does', () => {
    fc.assert(
      fc.property(
        bases,
        fc.array(operation, { maxLength: 12 }),
        fc.array(fc.tuple(offset, length), { minLength: 1, maxLength: 8 }),
        (base, operations, places) => {
          const set = new OffsetSet()
          const model = new Model()
          for (const one of operations) applyToBoth(one, set, model, base)
          for (const [at, reach] of places) {
            const from = base + at
            const to = from + reach
            const next = model.next(at)
            expect(set.has(from)).toBe(model.has(at))
            expect(set.next(from)).toBe(next < 0 ? -1 : base + next)
            expect(set.nextMissing(from)).toBe(base + model.nextMissing(at))
            const ranges = model.ranges(at, at + reach)
            expect(set.ranges(from, to)).toEqual(ranges.map((edge) => base + edge))
            expect(set.countIn(from, to)).toBe(
              ranges.reduce((sum, edge, index) => (index % 2 ? sum + edge : sum - edge), 0),
            )
          }
          expectSame(set, model, base)
        },
      ),
      { numRuns: 200 },
    )
  })

  it('is not touched by what happens to a clone, nor the other way round', () => {
    fc.assert(
      fc.property(
        fc.array(operation, { maxLength: 10 }),
        fc.array(operation, { maxLength: 10 }),
        (before, after) => {
          const set = new OffsetSet()
          const model = new Model()
          for (const one of before) applyToBoth(one, set, model, 0)
          const clone = set.clone()
          expectSame(clone, model, 0)
          const ofClone = model.copy()
          for (const one of after) applyToBoth(one, clone, ofClone, 0)
          expectSame(set, model, 0)
          for (const one of after.toReversed()) applyToBoth(one, set, model, 0)
          expectSame(clone, ofClone, 0)
        },
      ),
      { numRuns: 100 },
    )
  })

  it('keeps millions in one piece, and bitmaps only for ragged windows', () => {
    const set = new OffsetSet()
    for (let at = 0; at < 1_000_000; at++) set.add(at)
    expect([set.size, set.fragments]).toEqual([1_000_000, 0])
    set.delete(500_000)
    expect([set.size, set.fragments, set.nextMissing(3)]).toEqual([999_999, 1, 500_000])
    set.add(500_000)
    expect([set.fragments, set.nextMissing(3)]).toEqual([0, 1_000_000])
    set.add(10 ** 12, 2 * 10 ** 12)
    expect(set.delete(0, 3 * 10 ** 12)).toBe(10 ** 12 + 1_000_000)
    expect(set.isEmpty).toBe(true)
  })

  it('gives bitmaps up when ragged windows become full or empty', () => {
    const set = new OffsetSet()
    for (let at = 0; at < 100 * 4096; at += 2) set.add(at)
    expect(set.fragments).toBe(100)
    for (let at = 1; at < 50 * 4096; at += 2) set.add(at)
    expect(set.fragments).toBe(50)
    set.clear()
    expect([set.fragments, set.size, set.first(), set.last()]).toEqual([0, 0, -1, -1])
  })

  it('takes the smallest members first', () => {
    const set = new OffsetSet()
    set.add(10, 20)
    set.add(30)
    set.add(4090, 5000)
    expect(set.take(5)).toEqual([10, 15])
    expect(set.take(8)).toEqual([15, 20, 30, 31, 4090, 4092])
    expect(set.take(2, 4999)).toEqual([4999, 5000])
    expect(set.take(0)).toEqual([])
  })
})

describe('the encoded form of an OffsetSet', () => {
  it('comes back as it was, page by page', () => {
    fc.assert(
      fc.property(
        bases,
        fc.array(operation, { maxLength: 12 }),
        fc.array(fc.nat(SPAN * 2), { maxLength: 3 }),
        (base, operations, cuts) => {
          const set = new OffsetSet()
          const model = new Model()
          for (const one of operations) applyToBoth(one, set, model, base)
          const edges = [0, ...cuts.map((cut) => base + cut).sort((a, b) => a - b), 2 ** 53 - 1]
          const copy = new OffsetSet()
          for (let index = 1; index < edges.length; index++) {
            const reader = new ByteReader(encoded(set, edges[index - 1]!, edges[index]!))
            decodeInto(reader, copy)
            expectEnd(reader)
          }
          expect(copy.ranges()).toEqual(set.ranges())
          expect(copy.size).toBe(set.size)
        },
      ),
      { numRuns: 150 },
    )
  })

  it('depends on the members alone, not on how they came to be there', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 12 }), offset, length, (operations, from, reach) => {
        const set = new OffsetSet()
        const model = new Model()
        for (const one of operations) applyToBoth(one, set, model, 0)
        const fresh = new OffsetSet()
        const ranges = model.ranges()
        for (let index = ranges.length - 2; index >= 0; index -= 2)
          fresh.add(ranges[index]!, ranges[index + 1]!)
        expect(encoded(set, 0, SPAN * 3)).toEqual(encoded(fresh, 0, SPAN * 3))
        expect(encoded(set, from, from + reach)).toEqual(encoded(fresh, from, from + reach))
      }),
      { numRuns: 150 },
    )
  })

  it('is never much larger than a bitmap, and tiny for runs', () => {
    const set = new OffsetSet()
    for (let at = 0; at < 65536; at += 2) set.add(at)
    expect(encoded(set, 0, 65536).length).toBeLessThan(65536 / 8 + 100)
    set.add(0, 65536)
    expect(encoded(set, 0, 65536).length).toBeLessThan(8)
  })

  it('throws nothing but CORRUPT on random bytes', () => {
    const bytes = fc.array(fc.oneof(fc.nat(255), fc.nat(3), fc.constant(0xff)), { maxLength: 1200 })
    fc.assert(
      fc.property(bytes, (garbage) => {
        const set = new OffsetSet()
        try {
          decodeInto(new ByteReader(Uint8Array.from(garbage)), set)
        } catch (error) {
          if (!isPortalError(error, 'CORRUPT')) throw error
        }
        expect(set.fragments).toBeLessThanOrEqual(1200)
      }),
    )
  })
})
