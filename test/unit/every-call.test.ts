import { expect, test } from 'vitest'
import { everyCall, optionsOf } from '../../src/protocol/every-call.js'

test('each call of a service is what it was wrapped into, under its own name, and its stream is left out', async () => {
  const service = {
    read: async (offset: number) => offset + 1,
    settle: async () => 'settled',
    receiveStream: () => [],
  }
  const asked: string[] = []
  const calls = everyCall(service, (call, name) => (...args) => {
    asked.push(name)
    return call(...args)
  })
  expect(await calls.read(1)).toBe(2)
  expect(await calls.settle()).toBe('settled')
  expect(asked).toEqual(['read', 'settle'])
  expect(Object.keys(calls)).toEqual(['read', 'settle'])
})

test('the options of a call come first where there is no request', () => {
  const options = { direct: true }
  expect(optionsOf('checkReady', [options])).toBe(options)
  expect(optionsOf('produce', [{ direct: false }, options])).toBe(options)
  // What only looks like options is a request.
  expect(optionsOf('produce', [options])).toBeUndefined()
})
