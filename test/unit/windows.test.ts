import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BatchDirectory, type BatchPlace } from '../../src/core/batch-directory.js'
import { ByteReader } from '../../src/core/byte-reader.js'
import { isPortalError } from '../../src/core/errors.js'
import { ProducerWindows } from '../../src/core/producer-window.js'
import { SafeClock } from '../../src/runtime/safe-clock.js'

const DAY = 24 * 3_600_000

describe('the directory of batches', () => {
  const step = fc.record({
    gap: fc.nat(3),
    count: fc.integer({ min: 1, max: 9 }),
    bytes: fc.nat(500),
    later: fc.nat(5),
    repeat: fc.constantFrom(1, 1, 300, 600),
    removed: fc.array(fc.nat(3_000), { maxLength: 40 }),
    reload: fc.boolean(),
  })

  it('finds what an array of all places finds, after any removals and from any snapshot', () => {
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 1, maxLength: 12 }),
        fc.array(fc.nat(4_000)),
        (steps, probes) => {
          let directory = new BatchDirectory()
          let model: BatchPlace[] = []
          const pages = new Map<number, Uint8Array>()
          let [index, offset, time] = [0, 0, 0]
          for (const { gap, count, bytes, later, repeat, removed, reload } of steps) {
            for (let left = repeat; left > 0; left--) {
              index += 1 + gap
              time += later
              const place = {
                index,
                baseOffset: offset,
                count,
                bytes,
                appendTime: time,
              }
              offset += count
              directory.append(place)
              model.push(place)
            }
            const gone = new Set(removed.map((at) => model[at % model.length]))
            directory.remove(model.filter((place) => gone.has(place)))
            model = model.filter((place) => !gone.has(place))
            if (reload) directory = reloaded(directory, pages)
            expectSame(directory, model, probes)
          }
        },
      ),
      { numRuns: 60 },
    )
  })

  /** Through the pages of a snapshot, of which only the changed ones are written. */
  function reloaded(directory: BatchDirectory, pages: Map<number, Uint8Array>): BatchDirectory {
    for (const [id, page] of directory.takeDirtyPages()) {
      if (page) pages.set(id, page)
      else pages.delete(id)
    }
    const loaded = new BatchDirectory()
    for (const [id, page] of [...pages].sort((a, b) => a[0] - b[0])) loaded.loadPage(id, new ByteReader(page))
    return loaded
  }

  function expectSame(
    directory: BatchDirectory,
    model: readonly BatchPlace[],
    probes: readonly number[],
  ): void {
    const walked: BatchPlace[] = []
    directory.walk(0, (place) => walked.push(place) > 0)
    expect(walked).toEqual(model)
    expect(directory.batches).toBe(model.length)
    expect(directory.bytes).toBe(model.reduce((sum, { bytes }) => sum + bytes, 0))
    expect(directory.firstOffset).toBe(model[0]?.baseOffset)
    for (const at of probes) {
      expect(directory.find(at)).toEqual(model.find(({ baseOffset, count }) => baseOffset + count > at))
      expect(directory.findTime(at)).toEqual(model.find(({ appendTime }) => appendTime >= at))
      const between = model.some(({ index }) => index >= at && index < at + 5)
      expect(directory.hasIndexBetween(at, at + 5)).toBe(between)
    }
  }
})

describe('what a partition remembers of producers', () => {
  it('answers a retry, whole or in part, with where each message went (invariant 14)', () => {
    const windows = new ProducerWindows()
    windows.record('p', 0, 0, 5, 0, 100, 1)
    windows.record('p', 0, 5, 5, 0, 200, 1)
    expect(windows.check('p', 0, 0, 5)).toEqual({ skip: 5, known: [5, 100] })
    expect(windows.check('p', 0, 3, 4)).toEqual({ skip: 4, known: [2, 103, 2, 200] })
    expect(windows.check('p', 0, 8, 6)).toEqual({ skip: 2, known: [2, 203] })
    expect(windows.check('p', 0, 10, 3)).toEqual({ skip: 0, known: [] })
  })

  it('says of a message that was a duplicate that it was one, and not where it is', () => {
    const windows = new ProducerWindows()
    windows.record('p', 0, 0, 2, 3, 100, 1)
    windows.record('p', 0, 5, 1, 0, 102, 1)
    expect(windows.check('p', 0, 0, 6)).toEqual({ skip: 6, known: [2, 100, 3, -1, 1, 102] })
  })

  it('refuses a gap, an older epoch, and an unknown producer that does not begin at 0 (invariants 14 and 15)', () => {
    const windows = new ProducerWindows()
    windows.record('p', 1, 0, 5, 0, 100, 1)
    for (const [id, epoch, base] of [
      ['p', 1, 6],
      ['p', 0, 5],
      ['p', 2, 1],
      ['q', 0, 3],
    ] as const) {
      expect(() => windows.check(id, epoch, base, 1)).toThrow(
        expect.objectContaining({ code: 'SEQUENCE_REFUSED' }),
      )
    }
    expect(windows.check('p', 2, 0, 1).skip).toBe(0)
  })

  it('forgets a producer after a day of silence, but never the broker’s own', () => {
    const windows = new ProducerWindows()
    windows.record('p', 0, 0, 1, 0, 0, 0)
    windows.record('!dead', 0, 7, 1, 0, 1, 0)
    windows.expire(DAY)
    expect(() => windows.check('p', 0, 1, 1)).toThrow()
    expect(windows.check('!dead', 0, 7, 1)).toEqual({ skip: 1, known: [1, -1] })
    windows.expire(3 * DAY)
    expect(windows.check('!dead', 0, 3, 1).skip).toBe(1)
  })

  it('forgets the silent ones though another has begun a new epoch since', () => {
    const windows = new ProducerWindows()
    windows.record('p', 0, 0, 1, 0, 0, 0)
    windows.record('q', 0, 0, 1, 0, 1, 1)
    windows.record('p', 1, 0, 1, 0, 2, DAY)
    windows.expire(DAY + 1)
    expect(windows.size).toBe(1)
    expect(windows.check('p', 1, 1, 1).skip).toBe(0)
  })
})

describe('the clock by which things are removed', () => {
  function clocks() {
    const at = { wall: 1_000_000, monotonic: 0 }
    const pass = (by: number) => {
      at.wall += by
      at.monotonic += by
    }
    const safe = new SafeClock({ now: () => at.wall, monotonic: () => at.monotonic })
    return { at, pass, safe }
  }

  it('follows the wall clock and its small corrections', () => {
    const { at, pass, safe } = clocks()
    pass(500)
    at.wall += 30_000
    expect(safe.now()).toBe(1_030_500)
  })

  it('believes a jump of more than a minute once it has held for an hour', () => {
    const { at, pass, safe } = clocks()
    at.wall += 10 * DAY
    expect(safe.now()).toBe(1_000_000)
    pass(3_599_999)
    expect(safe.now()).toBe(1_000_000 + 3_599_999)
    pass(1)
    expect(safe.now()).toBe(1_000_000 + 3_600_000 + 10 * DAY)
  })

  it('forgets a jump that was taken back', () => {
    const { at, pass, safe } = clocks()
    at.wall += DAY
    safe.now()
    pass(3_000_000)
    at.wall -= DAY
    safe.now()
    at.wall += DAY
    pass(3_000_000)
    expect(safe.now()).toBe(1_000_000 + 6_000_000)
  })
})

describe('bytes that are no snapshot page', () => {
  it('are refused with a PortalError, never another error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        for (const load of [
          () => new BatchDirectory().loadPage(0, new ByteReader(bytes)),
          () => new ProducerWindows().decode(new ByteReader(bytes)),
        ]) {
          try {
            load()
          } catch (error) {
            expect(isPortalError(error)).toBe(true)
          }
        }
      }),
      { numRuns: 2_000 },
    )
  })
})
