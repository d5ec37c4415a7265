import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isPortalError, PortalError } from '../../src/core/errors.js'
import type { ReceiveResponse } from '../../src/protocol/service.js'
import { encodeAnswerFrame, encodeFailureFrame, FrameReader } from '../../src/protocol/wire/stream.js'
import { forms, plain } from './wire-support/forms.js'
import * as reference from './wire-support/reference.js'

const answers = fc.array(
  forms.find(({ name }) => name === 'a receive response')!.values as fc.Arbitrary<ReceiveResponse>,
  { maxLength: 5 },
)

/** The bytes in pieces, cut where the numbers say. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
  return ends.map((end, at) => bytes.slice(ends[at - 1] ?? 0, end))
}

function frame(kind: number, payload: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(5 + payload.length)
  bytes.writeUInt32BE(payload.length + 1)
  bytes[4] = kind
  bytes.set(payload, 5)
  return bytes
}

describe('the frames of a stream', () => {
  it('give the answers as they were, however the bytes are cut', () => {
    fc.assert(
      fc.property(answers, fc.array(fc.nat(), { maxLength: 20 }), (given, places) => {
        const frames = new FrameReader()
        const bytes = Buffer.concat(given.map(encodeAnswerFrame))
        const found = cut(bytes, places).flatMap((piece) => [...frames.push(piece)])
        expect(plain(found)).toEqual(plain(given))
      }),
    )
  })

  it('of a later version are read without what it has added, and kinds that it has invented are passed over', () => {
    const appended = fc.uint8Array({ maxLength: 10 })
    fc.assert(
      fc.property(answers, appended, fc.integer({ min: 2, max: 255 }), (given, more, kind) => {
        const later = { version: 2, appended: more }
        const frames = new FrameReader()
        const found = given.flatMap((answer) => [
          ...frames.push(frame(kind, more)),
          ...frames.push(frame(0, reference.receiveResponse(answer, later))),
        ])
        expect(plain(found)).toEqual(plain(given))
      }),
    )
  })

  it('say what the stream failed with', () => {
    const error = new PortalError('GROUP_NOT_FOUND', 'Gruppe ‘a’ ist fort.', { retriable: true })
    const frames = new FrameReader()
    expect([...frames.push(encodeAnswerFrame({ deliveries: [] }))]).toEqual([{ deliveries: [] }])
    expect(() => [...frames.push(encodeFailureFrame(error))]).toThrow(
      expect.objectContaining({ code: 'GROUP_NOT_FOUND', message: error.message, retriable: true }),
    )
    const damage = new PortalError('CORRUPT', 'A batch is damaged.')
    expect(() => [...new FrameReader().push(encodeFailureFrame(damage))]).toThrow(
      expect.objectContaining({ code: 'CORRUPT' }),
    )
  })

  it('give the answers that came before a failure, in one piece with it, too', () => {
    const error = new PortalError('GROUP_NOT_FOUND', 'It was moved.')
    const piece = Buffer.concat([encodeAnswerFrame({ deliveries: [] }), encodeFailureFrame(error)])
    const found: ReceiveResponse[] = []
    expect(() => {
      for (const answer of new FrameReader().push(piece)) found.push(answer)
    }).toThrow(expect.objectContaining({ code: 'GROUP_NOT_FOUND' }))
    expect(found).toEqual([{ deliveries: [] }])
  })

  it('that no broker has sent are a bad connection, never another fault', () => {
    const tryAll = (pieces: readonly Uint8Array[]) => {
      const frames = new FrameReader()
      try {
        for (const piece of pieces) Array.from(frames.push(piece))
      } catch (error) {
        if (!isPortalError(error)) throw error
        return error.code
      }
      return undefined
    }
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 6 }),
        (pieces) => void tryAll(pieces),
      ),
      { numRuns: 500 },
    )
    const longest = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0)
    const garbage = frame(0, Uint8Array.of(1, 5, 1, 1))
    for (const bytes of [longest, new Uint8Array(8), garbage, Buffer.from('<html>502 Bad Gateway</html>')])
      expect(tryAll([bytes])).toBe('DISCONNECTED')
  })
})
