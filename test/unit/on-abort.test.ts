import { expect, it } from 'vitest'
import { onAbort } from '../../src/runtime/on-abort.js'

it('calls every listener once, however many there are, and Node warns of none', async () => {
  const warnings: Error[] = []
  const onWarning = (warning: Error) => warnings.push(warning)
  process.on('warning', onWarning)
  const controller = new AbortController()
  const called = new Array<number>(50).fill(0)
  for (let at = 0; at < called.length; at++) onAbort(controller.signal, () => void called[at]!++)
  controller.abort()
  controller.abort()
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', onWarning)
  expect(called).toEqual(new Array(50).fill(1))
  expect(warnings).toEqual([])
})

it('forgets whoever wants to be forgotten, also while it calls', () => {
  const controller = new AbortController()
  const called: string[] = []
  const forgetFirst = onAbort(controller.signal, () => called.push('first'))
  onAbort(controller.signal, () => {
    called.push('second')
    forgetThird()
  })
  const forgetThird = onAbort(controller.signal, () => called.push('third'))
  forgetFirst()
  controller.abort()
  expect(called).toEqual(['second'])
})

it('calls at once when the signal has aborted, and never without one', () => {
  let called = 0
  onAbort(AbortSignal.abort(), () => called++)()
  onAbort(undefined, () => called++)()
  expect(called).toBe(1)
})
