import { expect, test } from 'vitest'
import { RecentSet } from '../../src/core/recent-set.js'

test('holds the latest that were added, at most twice as many, and forgets what it is told to', () => {
  const set = new RecentSet(100)
  for (let at = 0; at < 1_000; at++) {
    set.add(`${at}`)
    for (const recent of [at, at - 50, at - 99]) if (recent >= 0) expect(set.has(`${recent}`)).toBe(true)
    expect(set.has(`${at - 200}`)).toBe(false)
  }
  for (const name of ['999', '901']) {
    set.delete(name)
    expect(set.has(name)).toBe(false)
  }
})
