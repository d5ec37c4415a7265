import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isPortalError } from '../../src/core/errors.js'
import { decodeReceiveRequest, encodeReceiveRequest } from '../../src/protocol/wire/receive.js'
import { decodeSettleRequest, encodeSettleRequest } from '../../src/protocol/wire/settle.js'
import { type Form, forms, plain } from './wire-support/forms.js'

/** What comes of decoding: a value, or the PortalError that says why not. Anything else is a fault. */
function outcome<T>(form: Form<T>, bytes: Uint8Array): { value: T } | { code: string } {
  try {
    return { value: form.decode(bytes) }
  } catch (error) {
    if (isPortalError(error, 'CORRUPT', 'UNSUPPORTED')) return { code: error.code }
    throw error
  }
}

describe.each(forms.map((form) => [form.name, form] as const))('%s', (_, form) => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(form.values, (value) => {
        expect(plain(form.decode(form.encode(value)))).toEqual(plain(value))
      }),
    )
  })

  it('has the bytes that the documentation says', () => {
    fc.assert(
      fc.property(form.values, (value) => {
        expect(Buffer.from(form.encode(value)).equals(form.reference(value))).toBe(true)
      }),
    )
  })

  it('of a later version is read without what was appended, at every level', () => {
    fc.assert(
      fc.property(
        form.values,
        fc.integer({ min: 1, max: 255 }),
        fc.uint8Array({ maxLength: 20 }),
        (value, version, appended) => {
          const bytes = form.reference(value, { version, appended })
          expect(plain(form.decode(bytes))).toEqual(plain(value))
        },
      ),
    )
  })

  it('cut anywhere is an error, and never a longer message', () => {
    fc.assert(
      fc.property(form.values, (value) => {
        const bytes = form.encode(value)
        for (let length = 0; length < bytes.length; length++) {
          const found = outcome(form, bytes.slice(0, length))
          // Only what may be missing at the end may be cut off.
          if ('value' in found) expect(form.encode(found.value).length).toBeLessThanOrEqual(bytes.length)
        }
        expect(outcome(form, new Uint8Array(0))).toEqual({ code: 'CORRUPT' })
      }),
      { numRuns: 40 },
    )
  })

  it('with changed bytes is a message or an error, and nothing is allocated for what it only claims', () => {
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(form.values, changes, (value, places) => {
        const bytes = Uint8Array.from(form.encode(value))
        for (const [place, byte] of places) bytes[place % bytes.length] = byte
        outcome(form, bytes)
      }),
      { numRuns: 300 },
    )
  })

  it('is not found in garbage, except by chance', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void outcome(form, bytes)),
      { numRuns: 500 },
    )
    const claims = Uint8Array.from([1, 1, ...Array(7).fill(0xff), 0x0f, 0, 0])
    outcome(form, claims)
    expect(outcome(form, Uint8Array.from([0, 0, 0, 0]))).toEqual({ code: 'CORRUPT' })
  })
})

describe('what may be missing', () => {
  const receive = {
    topicId: 't',
    group: 'g',
    generation: 1,
    consumer: 'c',
    lease: 1,
    maxMessages: 1,
    maxBytes: 1,
    wait: undefined,
    held: undefined,
    id: undefined,
  }

  it('the leases that are held, the number of a receive and whether it is a hint', () => {
    const bytes = encodeReceiveRequest(receive)
    expect(decodeReceiveRequest(bytes.slice(0, -1))).toEqual(receive)
    expect(decodeReceiveRequest(bytes.slice(0, -2))).toEqual(receive)
    const hint = encodeReceiveRequest({ ...receive, hint: true })
    expect(decodeReceiveRequest(hint.slice(0, -1))).toEqual(receive)
  })

  it('a wait: Infinity is none', () => {
    expect(
      decodeReceiveRequest(encodeReceiveRequest({ ...receive, wait: Number.POSITIVE_INFINITY })),
    ).toEqual(receive)
    expect(decodeReceiveRequest(encodeReceiveRequest({ ...receive, wait: 0 })).wait).toBe(0)
  })
})

it('an outcome that this build does not know is UNSUPPORTED: it is never taken for another', () => {
  const token = { epoch: 1, index: 1, slot: 1 }
  const settlement = { partition: 0, token, outcome: 'release', ranges: [0, 1] } as const
  const bytes = encodeSettleRequest({
    topicId: '',
    group: '',
    generation: 0,
    consumer: '',
    settlements: [settlement],
  })
  const at = bytes.indexOf(4, 8)
  bytes[at] = 5
  expect(() => decodeSettleRequest(bytes)).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }))
})

it('what has no whole number cannot be written', () => {
  const request = {
    topicId: 't',
    group: 'g',
    generation: 1,
    consumer: 'c',
    lease: 1.5,
    maxMessages: 1,
    maxBytes: 1,
  }
  expect(() => encodeReceiveRequest(request)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
})
