import { ByteWriter } from './byte-writer.js'
import type { Crc32 } from './crc32.js'
import { PortalError } from './errors.js'

/** A sealed payload begins with this many bytes: the CRC-32 of the rest, big-endian. */
export const SEAL_BYTES = 4

/** A writer that has left room for the seal: hand it to `seal` when the payload is complete. */
export function sealedWriter(capacity?: number): ByteWriter {
  const writer = new ByteWriter(capacity)
  writer.reserve(SEAL_BYTES)
  return writer
}

/**
 * Puts the seal over the first four bytes, which the payload must have left free, and returns the payload: the same
 * bytes if bytes were given, else what the writer holds.
 */
export function seal(payload: Uint8Array | ByteWriter, crc32: Crc32): Uint8Array {
  const bytes = payload instanceof ByteWriter ? payload.finish() : payload
  const sum = crc32(bytes.subarray(SEAL_BYTES))
  bytes[0] = sum >>> 24
  bytes[1] = sum >>> 16
  bytes[2] = sum >>> 8
  bytes[3] = sum
  return bytes
}

/** What a sealed payload holds, as a view on it. Throws CORRUPT if the seal does not match. */
export function unseal(payload: Uint8Array, crc32: Crc32): Uint8Array {
  if (payload.length < SEAL_BYTES)
    throw new PortalError('CORRUPT', `A payload of ${payload.length} bytes has no seal.`)
  const body = payload.subarray(SEAL_BYTES)
  const expected = (payload[0]! << 24) | (payload[1]! << 16) | (payload[2]! << 8) | payload[3]!
  const actual = crc32(body)
  if (actual >>> 0 !== expected >>> 0) {
    throw new PortalError(
      'CORRUPT',
      `A payload of ${payload.length} bytes does not match its checksum: ${hex(expected)} written, ${hex(actual)} read.`,
    )
  }
  return body
}

function hex(sum: number): string {
  return (sum >>> 0).toString(16).padStart(8, '0')
}
