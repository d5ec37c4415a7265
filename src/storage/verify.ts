import type { Crc32 } from '../core/crc32.js'
import { PortalError } from '../core/errors.js'
import { SEAL_BYTES } from '../core/seal.js'

/** Throws CORRUPT, naming the log and the thing, unless `payload` matches its own seal. */
export function verifySeal(log: string, what: string, payload: Uint8Array, crc32: Crc32): void {
  if (payload.length >= SEAL_BYTES && crc32(payload.subarray(SEAL_BYTES)) === sealOf(payload)) return
  throw corrupt(log, what, 'its payload does not match its checksum')
}

/** The checksum that a sealed payload begins with. */
export function sealOf(payload: Uint8Array): number {
  return ((payload[0]! << 24) | (payload[1]! << 16) | (payload[2]! << 8) | payload[3]!) >>> 0
}

export function corrupt(log: string, what: string, why: string, cause?: unknown): PortalError<'CORRUPT'> {
  return new PortalError(
    'CORRUPT',
    `Storage is damaged: ${what} of log ${log} cannot be trusted, ${why}. A replica repairs itself from its peers; ` +
      'a broker without peers needs its directory restored from a backup.',
    cause === undefined ? {} : { cause },
  )
}
