import { describe, expect, it } from 'vitest'
import { Emitter } from '../../src/client/emitter.js'

interface Events {
  up: { readonly url: string }
  down: number
}

describe('a connection’s events', () => {
  it('reach those who listen to them, in the order of their coming', () => {
    const emitter = new Emitter<Events>()
    const heard: string[] = []
    emitter
      .on('up', ({ url }) => heard.push(`first ${url}`))
      .on('up', ({ url }) => heard.push(`second ${url}`))
    expect(emitter.emit('up', { url: 'a' })).toBe(true)
    expect(emitter.emit('down', 1)).toBe(false)
    expect(heard).toEqual(['first a', 'second a'])
  })

  it('reach a listener of the first once, and one that left no more', () => {
    const emitter = new Emitter<Events>()
    const heard: number[] = []
    const listener = (count: number) => heard.push(count)
    emitter.once('down', listener)
    emitter.emit('down', 1)
    expect(emitter.emit('down', 2)).toBe(false)
    emitter.once('down', listener).off('down', listener)
    expect(emitter.emit('down', 3)).toBe(false)
    expect(heard).toEqual([1])
  })

  it('may be listened to, and left, by a listener that is being called', () => {
    const emitter = new Emitter<Events>()
    const heard: string[] = []
    const other = () => heard.push('other')
    emitter.on('down', () => {
      heard.push('one')
      emitter.off('down', other)
      emitter.on('down', () => heard.push('later'))
    })
    emitter.on('down', other)
    emitter.emit('down', 1)
    expect(heard).toEqual(['one', 'other'])
  })
})
