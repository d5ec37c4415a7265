import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ENTRY_KINDS, type EntryKind, type StoredEntry } from '../../src/core/entry.js'
import { decodeBody, encodeBody } from '../../src/core/entry-codec.js'
import { isPortalError } from '../../src/core/errors.js'
import { seal } from '../../src/core/seal.js'
import { decodeSnapshot } from '../../src/core/snapshot.js'

function entry(kind: EntryKind, payload: Uint8Array): StoredEntry {
  return {
    index: 0,
    epoch: 0,
    kind,
    version: 1,
    baseOffset: 0,
    count: 0,
    appendTime: 0,
    safeTime: 0,
    payload,
  }
}

/** Sealed, so that it gets past the checksum: what a bug, not a disk, would leave. */
function sealed(bytes: Uint8Array): Uint8Array {
  const payload = new Uint8Array(bytes.length + 4)
  payload.set(bytes, 4)
  return seal(payload, crc32)
}

function expectRefusal(decode: () => unknown): void {
  try {
    decode()
  } catch (error) {
    expect(isPortalError(error), String(error)).toBe(true)
  }
}

const kind = fc.constantFrom(...ENTRY_KINDS)

describe('the codec of entries, against garbage', () => {
  it('refuses bytes that make no sense with a PortalError, whatever kind they claim to be', () => {
    fc.assert(
      fc.property(kind, fc.uint8Array({ maxLength: 80 }), (kind, bytes) => {
        expectRefusal(() => decodeBody(entry(kind, bytes), crc32))
        expectRefusal(() => decodeBody(entry(kind, sealed(bytes)), crc32))
      }),
      { numRuns: 5_000 },
    )
  })

  it('refuses a changed byte of an entry by its seal', () => {
    const payload = encodeBody({ kind: 'topic', dedupe: { window: 600_000, ids: 1_000_000 } }, crc32)
    for (let at = 0; at < payload.length; at++) {
      const damaged = payload.slice()
      damaged[at] = damaged[at]! ^ 0x10
      const decode = () => decodeBody(entry('topic', damaged), crc32)
      expect(decode).toThrow(expect.objectContaining({ code: 'CORRUPT' }))
    }
  })

  it('refuses a newer version, and does not guess', () => {
    const payload = encodeBody({ kind: 'epoch', leader: 'me' }, crc32)
    const decode = () => decodeBody({ ...entry('epoch', payload), version: 2 }, crc32)
    expect(decode).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }))
  })

  it('refuses a snapshot header that makes no sense', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
        expectRefusal(() => decodeSnapshot(sealed(Uint8Array.of(1, ...bytes)), [], crc32))
      }),
      { numRuns: 5_000 },
    )
  })
})
