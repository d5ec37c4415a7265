import { expect, it } from 'vitest'
import { SendOrder } from './send-order.js'

it('finds a message that overtook one of the same sender, and no other [invariant 26]', () => {
  const order = new SendOrder('topic/0')
  order.stored(0, 'one#0')
  order.stored(1, 'two#5')
  order.stored(2, 'one#2')
  // Twice is another matter.
  order.stored(3, 'one#0')
  order.stored(4, 'two#6xxx')
  expect(() => order.stored(5, 'one#1')).toThrow('[26] topic/0: one#1 is stored at 5, after one#2')
})
