import { PortalError } from '../../core/errors.js'

/** Deeper than anybody means, and far from where writing it as JSON again would end the stack. */
const DEEPEST = 1_000
/** A byte of JSON can become sixty bytes of memory: two million commas and brackets are about a hundred megabytes. */
const MOST_PARTS = 2_000_000

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c

/** Throws INVALID_ARGUMENT for JSON that would cost too much to read: before it is read. */
export function checkJsonShape(bytes: Uint8Array): void {
  const fault = shapeFault(bytes)
  if (fault !== undefined) throw new PortalError('INVALID_ARGUMENT', `The JSON ${fault}.`)
}

/** What is wrong with the shape of what may be JSON, in words. */
export function shapeFault(bytes: Uint8Array): string | undefined {
  let depth = 0
  let parts = 0
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!
    if (byte === QUOTE) at = endOfString(bytes, at)
    else if (byte === COMMA) parts++
    // [ and {, ] and }: they differ in one bit.
    else if ((byte | 0x20) === 0x7b) {
      parts++
      if (++depth > DEEPEST) return `is nested deeper than ${DEEPEST} levels`
    } else if ((byte | 0x20) === 0x7d) depth--
    if (parts > MOST_PARTS) return `has more than ${MOST_PARTS} parts. Send it as text or bytes`
  }
  return undefined
}

function endOfString(bytes: Uint8Array, start: number): number {
  for (let at = start + 1; at < bytes.length; at++) {
    if (bytes[at] === BACKSLASH) at++
    else if (bytes[at] === QUOTE) return at
  }
  return bytes.length
}
