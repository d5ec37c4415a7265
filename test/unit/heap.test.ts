import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MinHeap } from '../../src/core/heap.js'

// Equal priorities come back in any order, so the two zeros, which are equal, must not be told apart below.
const priority = fc.oneof(
  fc.integer({ min: 0, max: 9 }),
  fc.double({ noNaN: true }).map((value) => value + 0),
)

describe('MinHeap', () => {
  it('gives back the lowest priority first, whatever is pushed and popped between', () => {
    fc.assert(
      fc.property(fc.array(fc.option(priority)), (steps) => {
        const heap = new MinHeap<{ priority: number }>()
        const model: number[] = []
        for (const step of steps) {
          if (step !== null) {
            heap.push(step, { priority: step })
            model.push(step)
            model.sort((a, b) => a - b)
          } else {
            expect(heap.peekPriority()).toBe(model[0])
            expect(heap.pop()?.priority).toBe(model.shift())
          }
          expect(heap.size).toBe(model.length)
        }
        while (model.length > 0) expect(heap.pop()?.priority).toBe(model.shift())
        expect([heap.size, heap.pop(), heap.peekPriority()]).toEqual([0, undefined, undefined])
      }),
    )
  })
})
