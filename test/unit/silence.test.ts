import { expect, test } from 'vitest'
import { watchSilence } from '../../src/broker/cluster/silence.js'

/** A clock that only the test moves, and the timer that waits. */
function watched(waiting: () => number) {
  let now = 0
  let next: (() => void) | undefined
  const silences: number[] = []
  const ending = new AbortController()
  const runtime = {
    clock: { now: () => now, monotonic: () => now },
    timers: {
      setTimeout: (callback: () => void) => {
        next = callback
        return { cancel: () => {} }
      },
      defer: () => {},
    },
  }
  watchSilence({ runtime, limit: 1_000, waiting, ending: ending.signal }, (ms) => silences.push(ms))
  const pass = (milliseconds: number) => {
    now += milliseconds
    const due = next
    next = undefined
    due?.()
  }
  return { silences, ending, pass, clock: () => now }
}

test('an answer that is longer under way than the limit is told, once', () => {
  const { silences, pass, clock } = watched(() => clock())
  for (let at = 0; at < 8; at++) pass(250)
  expect(silences).toEqual([1_250])
})

test('time for which the process was stopped does not count: what answers was stopped with it', () => {
  let since = 0
  const { silences, pass, clock } = watched(() => clock() - since)
  pass(250)
  pass(10_000)
  expect(silences).toEqual([])
  pass(250)
  // The answer that lay there.
  since = clock()
  for (let at = 0; at < 4; at++) pass(250)
  expect(silences).toEqual([])
})

test('nobody is told after the end', () => {
  const { silences, pass, ending } = watched(() => 5_000)
  ending.abort()
  for (let at = 0; at < 8; at++) pass(250)
  expect(silences).toEqual([])
})
