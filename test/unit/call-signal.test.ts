import { describe, expect, it } from 'vitest'
import { CallEnd, type CallSignal } from '../../src/runtime/call-signal.js'

const made: readonly (readonly [string, () => { signal: CallSignal; abort(reason: unknown): void }])[] = [
  [
    'an AbortController',
    () => {
      const controller = new AbortController()
      return { signal: controller.signal, abort: (reason) => controller.abort(reason) }
    },
  ],
  [
    'a CallEnd',
    () => {
      const end = new CallEnd()
      return { signal: end, abort: (reason) => end.abort(reason) }
    },
  ],
]

describe.each(made)('the signal of %s', (_, make) => {
  it('tells its listeners once, in the order in which they came', () => {
    const { signal, abort } = make()
    const told: string[] = []
    for (const name of ['a', 'b', 'c']) signal.addEventListener('abort', () => void told.push(name))
    expect(signal.aborted).toBe(false)
    abort('gone')
    abort('again')
    expect(told).toEqual(['a', 'b', 'c'])
    expect(signal.aborted).toBe(true)
    expect(signal.reason).toBe('gone')
  })

  it('has aborted by the time that it tells, and tells nobody who comes later', () => {
    const { signal, abort } = make()
    const told: boolean[] = []
    signal.addEventListener('abort', () => {
      told.push(signal.aborted)
      signal.addEventListener('abort', () => void told.push(false))
    })
    abort('gone')
    signal.addEventListener('abort', () => void told.push(false))
    expect(told).toEqual([true])
  })

  it.each([0, 1, 2])('does not tell a listener that was taken away: number %i of 3', (which) => {
    const { signal, abort } = make()
    const told: number[] = []
    const listeners = [0, 1, 2].map((number) => () => void told.push(number))
    for (const listener of listeners) signal.addEventListener('abort', listener)
    signal.removeEventListener('abort', listeners[which]!)
    abort('gone')
    expect(told).toEqual([0, 1, 2].filter((number) => number !== which))
  })

  it('does not tell one that another has taken away meanwhile', () => {
    const { signal, abort } = make()
    const told: string[] = []
    const late = () => void told.push('late')
    signal.addEventListener('abort', () => signal.removeEventListener('abort', late))
    signal.addEventListener('abort', late)
    signal.addEventListener('abort', () => void told.push('last'))
    abort('gone')
    expect(told).toEqual(['last'])
  })
})
