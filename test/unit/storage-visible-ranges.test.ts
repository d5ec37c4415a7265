import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Range, subtract } from '../../src/storage/sqlite/visible-ranges.js'

const range = fc.tuple(fc.nat(30), fc.nat(30)) as fc.Arbitrary<Range>

test('what is visible of a range is what lies in no hole, rising and without empty parts', () => {
  fc.assert(
    fc.property(range, fc.array(range, { maxLength: 5 }), (whole, holes) => {
      const inside = (key: number, [low, high]: Range): boolean => low <= key && key < high
      const visible = subtract(whole, holes)
      for (let key = 0; key <= 30; key++) {
        const wanted = inside(key, whole) && !holes.some((hole) => inside(key, hole))
        expect(visible.filter((part) => inside(key, part)).length).toBe(wanted ? 1 : 0)
      }
      expect(visible.every(([low, high]) => low < high)).toBe(true)
      expect(visible).toEqual([...visible].sort((a, b) => a[0] - b[0]))
    }),
  )
})
