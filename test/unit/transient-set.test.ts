import fc from 'fast-check'
import { expect, test } from 'vitest'
import { TransientSet } from '../../src/core/transient-set.js'

test('holds what a Set holds, in the order of coming, whatever comes and goes', () => {
  const steps = fc.array(fc.record({ add: fc.boolean(), nth: fc.nat(200) }), { maxLength: 300 })
  fc.assert(
    fc.property(steps, (history) => {
      const set = new TransientSet<object>()
      const model = new Set<object>()
      for (const { add, nth } of history) {
        const present = [...model]
        if (add || present.length === 0) {
          const item = {}
          set.add(item)
          model.add(item)
        } else {
          const item = present[nth % present.length]!
          expect(set.delete(item)).toBe(true)
          expect(set.delete(item)).toBe(false)
          model.delete(item)
        }
        expect(set.size).toBe(model.size)
        expect(set.first).toBe([...model][0])
      }
      expect([...set]).toEqual([...model])
    }),
    { numRuns: 50 },
  )
})

test('those that leave while it is gone through are passed over', () => {
  const [a, b, c] = [{ name: 'a' }, { name: 'b' }, { name: 'c' }]
  const set = new TransientSet<{ name: string }>().add(a).add(b).add(c)
  const met: string[] = []
  for (const item of set) {
    met.push(item.name)
    set.delete(item)
    if (item === a) set.delete(b)
  }
  expect(met).toEqual(['a', 'c'])
  expect(set.size).toBe(0)
})
