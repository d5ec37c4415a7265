import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Action } from '../../src/protocol/service.js'
import { authorizeBy, compilePattern, resolveRules } from '../../src/transport/http/rules.js'

describe('a pattern', () => {
  it.each([
    ['orders', 'orders', true],
    ['orders', 'orders.dead', false],
    ['orders*', 'orders.dead', true],
    ['*', '', true],
    ['*', 'anything', true],
    ['a*a', 'a', false],
    ['a*a', 'aa', true],
    ['*_1', 'temp_1', true],
    ['*_1', 'temp_12', false],
    ['a*b*c', 'a-b-b-c', true],
    ['a*bc*c', 'a-bc', false],
    ['a.c', 'abc', false],
    ['[a-z]+', 'abc', false],
  ])('%s fits %s: %s', (pattern, name, fits) => {
    expect(compilePattern(pattern)(name)).toBe(fits)
  })

  it('fits what the regular expression fits that it stands for', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 8 })
    fc.assert(
      fc.property(text, text, (pattern, name) => {
        const expression = new RegExp(`^${pattern.replaceAll('*', '[^]*')}$`)
        expect(compilePattern(pattern)(name)).toBe(expression.test(name))
      }),
    )
  })

  it('takes no longer for being contrived', () => {
    const matches = compilePattern(`${'a*'.repeat(100)}b`)
    const start = performance.now()
    for (let times = 0; times < 1_000; times++) matches('a'.repeat(249))
    expect(performance.now() - start).toBeLessThan(1_000)
  })
})

describe('rules', () => {
  const rules = resolveRules([
    { principal: 'sensor-*', produce: ['temp_*'] },
    { principal: 'controller', consume: ['temp_*'], lock: ['nightly'] },
    { principal: '*-7', consume: ['config'] },
    { principal: 'root', admin: ['*'] },
  ])

  it.each<[string, Action, string, boolean]>([
    ['sensor-1', 'produce', 'temp_1', true],
    ['sensor-1', 'consume', 'temp_1', false],
    ['sensor-1', 'admin', 'temp_1', false],
    ['sensor-1', 'produce', 'orders', false],
    ['sensor-1', 'consume', 'config', false],
    ['sensor-7', 'consume', 'config', true],
    ['sensor-7', 'produce', 'temp_2', true],
    ['controller', 'consume', 'temp_1', true],
    ['controller', 'lock', 'nightly', true],
    ['controller', 'lock', 'temp_1', false],
    ['root', 'admin', 'orders', true],
    ['root', 'admin', '*', true],
    ['root', 'consume', 'orders', false],
    ['nobody', 'produce', 'temp_1', false],
  ])('%s may %s %s: %s', (principal, action, name, may) => {
    const ask = () => authorizeBy(rules, principal)!(action, name)
    if (may) expect(ask).not.toThrow()
    else expect(ask).toThrow(expect.objectContaining({ code: 'FORBIDDEN' }))
  })

  it('let nobody do anything when there are none in the list', () => {
    expect(() => authorizeBy(resolveRules([]), 'root')!('admin', 'orders')).toThrow(/root may not/)
  })

  it('that were never given let everybody do everything', () => {
    expect(authorizeBy(resolveRules(undefined), 'anybody')).toBeUndefined()
  })
})
