import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ENTRY_KINDS, type StoredEntry } from '../../src/core/entry.js'
import { ERROR_CODES, isPortalError, PortalError } from '../../src/core/errors.js'
import type { FetchPosition } from '../../src/protocol/peer-service.js'
import { peerMethods } from '../../src/protocol/wire/peer.js'
import { PEER_VERSION } from '../../src/protocol/wire/peer-message.js'
import { entry, fetchRequest, sender } from '../../src/transport/conformance/peer-samples.js'
import { type Form, plain } from './wire-support/forms.js'
import * as reference from './wire-support/peer-reference.js'

const number = fc.oneof(fc.nat(200), fc.nat(), fc.nat(2 ** 50))
const text = (maxLength: number) => fc.string({ maxLength, unit: 'grapheme-ascii' })
const payload = fc.uint8Array({ maxLength: 200 })
const someone = fc.record({
  cluster: text(64),
  from: fc.record({ broker: text(64), storage: text(64), generation: number }),
})
// Few topics: those of one topic stand together now and then.
const name = fc.record({ topicId: fc.constantFrom('one', 'two', ''), partition: fc.oneof(fc.nat(9), number) })

const position = fc
  .tuple(
    name,
    fc.record({
      epoch: number,
      next: number,
      lastEpoch: number,
      highWatermark: number,
      round: number,
      documentVersion: number,
    }),
  )
  .map(([where, rest]) => ({ ...where, ...rest, lastEpoch: rest.lastEpoch - 1 }))

const stored: fc.Arbitrary<StoredEntry> = fc.record({
  index: number,
  epoch: number,
  kind: fc.constantFrom(...ENTRY_KINDS),
  version: fc.nat(300),
  baseOffset: number,
  count: number,
  appendTime: number,
  safeTime: number,
  payload,
})
const error = fc
  .tuple(fc.constantFrom(...ERROR_CODES.filter((code) => code !== 'CLOSED')), text(40), fc.boolean())
  .map(([code, message, retriable]) => new PortalError(code, message, { retriable }))
const outcome = fc.oneof(
  fc.record({
    type: fc.constant('entries' as const),
    highWatermark: number,
    round: number,
    documentVersion: number,
    entries: fc.array(stored, { maxLength: 5 }),
  }),
  fc.record({ type: fc.constant('diverged' as const), epoch: number.map((epoch) => epoch - 1), end: number }),
  fc.record({ type: fc.constant('behind' as const) }),
  fc.record({ type: fc.constant('error' as const), error }),
)

const session = fc.record({
  id: number,
  number,
  forgotten: fc.array(name, { maxLength: 5 }),
  catchUp: fc.boolean(),
})

const bytesAsked = fc.nat(16 << 20)
const { fetch, readSnapshot, readBatches, append } = peerMethods

const forms = [
  {
    name: 'a fetch request',
    values: fc
      .tuple(
        someone,
        fc.record({
          wait: number,
          maxBytes: bytesAsked,
          now: number,
          partitions: fc.array(position, { maxLength: 9 }),
          session: fc.option(session, { nil: undefined }),
        }),
      )
      .map(([from, rest]) => ({ ...from, ...rest })),
    encode: fetch.encodeRequest,
    decode: fetch.decodeRequest,
    reference: reference.fetchRequest,
  },
  {
    name: 'a fetch answer',
    values: fc
      .tuple(fc.array(fc.tuple(name, outcome), { maxLength: 6 }), fc.option(number, { nil: undefined }))
      .map(([results, session]) => ({
        results: results.map(([where, what]) => ({ ...where, ...what })),
        session,
      })),
    encode: fetch.encodeAnswer,
    decode: fetch.decodeAnswer,
    reference: reference.fetchResponse,
  },
  {
    name: 'a snapshot request',
    values: fc
      .tuple(
        someone,
        name,
        fc.record({
          epoch: number,
          index: fc.option(number, { nil: undefined }),
          fromPage: number,
          maxBytes: bytesAsked,
        }),
      )
      .map(([from, where, rest]) => ({ ...from, ...where, ...rest })),
    encode: readSnapshot.encodeRequest,
    decode: readSnapshot.decodeRequest,
    reference: reference.snapshotRequest,
  },
  {
    name: 'a slice of a snapshot',
    values: fc.record({
      index: number,
      epoch: number,
      header: payload,
      pageIds: fc.array(number, { maxLength: 9 }),
      pages: fc.array(payload, { maxLength: 5 }),
    }),
    encode: readSnapshot.encodeAnswer,
    decode: readSnapshot.decodeAnswer,
    reference: reference.snapshotSlice,
  },
  {
    name: 'a request for batches',
    values: fc
      .tuple(someone, name, fc.record({ epoch: number, first: number, end: number, maxBytes: bytesAsked }))
      .map(([from, where, rest]) => ({ ...from, ...where, ...rest })),
    encode: readBatches.encodeRequest,
    decode: readBatches.decodeRequest,
    reference: reference.batchesRequest,
  },
  {
    name: 'an answer of batches',
    values: fc.record({ entries: fc.array(stored, { maxLength: 5 }) }),
    encode: readBatches.encodeAnswer,
    decode: readBatches.decodeAnswer,
    reference: reference.batchesResponse,
  },
  {
    name: 'an append request',
    values: fc
      .tuple(someone, name, payload)
      .map(([from, where, records]) => ({ ...from, ...where, records })),
    encode: append.encodeRequest,
    decode: append.decodeRequest,
    reference: reference.appendRequest,
  },
] as unknown as readonly Form<never>[]

/** What comes of decoding: a value, or the code of the PortalError that says why not. */
function outcomeOf<T>(form: Form<T>, bytes: Uint8Array): { value: T } | { code: string } {
  try {
    return { value: form.decode(bytes) }
  } catch (thrown) {
    if (isPortalError(thrown, 'CORRUPT', 'UNSUPPORTED')) return { code: thrown.code }
    throw thrown
  }
}

describe.each(forms.map((form) => [form.name, form] as const))('%s between brokers', (_, form) => {
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

  it('is read without what a later broker has appended, at every level', () => {
    fc.assert(
      fc.property(form.values, fc.uint8Array({ maxLength: 20 }), (value, appended) => {
        const bytes = form.reference(value, { version: PEER_VERSION, appended })
        expect(plain(form.decode(bytes))).toEqual(plain(value))
      }),
    )
  })

  it('of a version that is not read here is UNSUPPORTED, of none CORRUPT', () => {
    fc.assert(
      fc.property(form.values, fc.integer({ min: 2, max: 255 }), (value, version) => {
        const appended = new Uint8Array(0)
        expect(outcomeOf(form, form.reference(value, { version, appended }))).toEqual({ code: 'UNSUPPORTED' })
        expect(outcomeOf(form, form.reference(value, { version: 0, appended }))).toEqual({ code: 'CORRUPT' })
      }),
      { numRuns: 20 },
    )
  })

  it('cut anywhere is CORRUPT', () => {
    fc.assert(
      fc.property(form.values, (value) => {
        const bytes = form.encode(value)
        for (let length = 0; length < bytes.length; length++)
          expect(outcomeOf(form, bytes.slice(0, length))).toEqual({ code: 'CORRUPT' })
      }),
      { numRuns: 30 },
    )
  })

  it('with changed bytes is a message or an error', () => {
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(form.values, changes, (value, places) => {
        const bytes = Uint8Array.from(form.encode(value))
        for (const [place, byte] of places) bytes[place % bytes.length] = byte
        outcomeOf(form, bytes)
      }),
      { numRuns: 300 },
    )
  })
})

describe('messages between brokers', () => {
  it('of builds before sessions say of none', () => {
    const { session: _, ...request } = fetchRequest
    const asked = fetch.encodeRequest(request)
    const answer = fetch.encodeAnswer({ results: [] })
    // They end before the field, and their heads, whose length stands behind the version, are a byte shorter.
    expect([asked.at(-1), answer.at(-1)]).toEqual([0, 0])
    const cut = (bytes: Uint8Array, end: number) => {
      const before = bytes.slice(0, -1)
      before[end]!--
      return before
    }
    expect(fetch.decodeRequest(cut(asked, 1))).toEqual(request)
    expect(fetch.decodeAnswer(cut(answer, 1))).toEqual({ results: [] })
  })

  it('of builds with one session for all are of those in sync', () => {
    const session = { id: 5, number: 3, forgotten: [], catchUp: false }
    const asked = fetch.encodeRequest({ ...fetchRequest, session })
    expect(asked.at(-1)).toBe(0)
    const before = asked.slice(0, -1)
    before[1]!--
    expect(fetch.decodeRequest(before).session).toEqual(session)
  })

  it('take some eleven bytes for a position, and are not copied again for their entries', () => {
    const partitions = Array.from(
      { length: 10_000 },
      (_, at): FetchPosition => ({
        topicId: `0123456789abcdef0123456789abcde${Math.floor(at / 1_000)}`,
        partition: at % 1_000,
        epoch: 40,
        next: 1_000_000 + at,
        lastEpoch: 40,
        highWatermark: 999_990 + at,
        round: 3,
        documentVersion: 2,
      }),
    )
    const request = fetch.encodeRequest({ ...fetchRequest, partitions })
    expect(request.length).toBeLessThan(105_000)
    const entries = [entry(7, new Uint8Array(1_000).fill(1)), entry(8, new Uint8Array(1_000).fill(2))]
    const answer = fetch.encodeAnswer({
      results: [
        {
          topicId: 't',
          partition: 0,
          type: 'entries',
          entries,
          highWatermark: 8,
          round: 3,
          documentVersion: 2,
        },
      ],
    })
    const [result] = fetch.decodeAnswer(answer).results
    if (result?.type !== 'entries') throw new Error('These are entries.')
    expect(result.entries.map(({ payload }) => payload.buffer === answer.buffer)).toEqual([true, true])
  })

  it('that speak of something new in one partition are UNSUPPORTED there, and there only', () => {
    const name = { topicId: 't', partition: 0 }
    const results = [
      {
        ...name,
        type: 'entries',
        entries: [entry(1, Uint8Array.of(0xaa, 0xaa))],
        highWatermark: 1,
        round: 3,
        documentVersion: 2,
      },
      {
        ...name,
        partition: 1,
        type: 'entries',
        entries: [entry(2, Uint8Array.of(0xbb, 0xbb))],
        highWatermark: 2,
        round: 3,
        documentVersion: 2,
      },
    ] as const
    const bytes = fetch.encodeAnswer({ results })
    const known = fetch.decodeAnswer(bytes)
    expect(plain(known)).toEqual(plain({ results }))
    // The kinds of results and of entries of the first partition, by their places.
    let refused = 0
    for (let place = 0; place < bytes.length; place++) {
      const changed = Uint8Array.from(bytes)
      changed[place] = 99
      let found: typeof known
      try {
        found = fetch.decodeAnswer(changed)
      } catch {
        continue
      }
      const [first, second] = found.results
      if (first?.type !== 'error') continue
      refused++
      expect(first.error.code).toBe('UNSUPPORTED')
      expect(plain(second)).toEqual(plain(known.results[1]))
    }
    expect(refused).toBe(2)
  })

  it('refuse what would take too much memory once it is read', () => {
    const partitions = Array.from({ length: 200_001 }, () => fetchRequest.partitions[1]!)
    const bytes = fetch.encodeRequest({ ...fetchRequest, partitions })
    expect(() => fetch.decodeRequest(bytes)).toThrow(expect.objectContaining({ code: 'CORRUPT' }))
  })

  it('in JSON keep what they do not know', () => {
    const { update } = peerMethods
    const request = {
      ...sender,
      term: 1,
      documents: [],
      to: sender.from,
      sequence: 1,
      later: { of: 'a later version' },
    }
    expect(update.decodeRequest(update.encodeRequest(request))).toEqual(request)
  })
})
