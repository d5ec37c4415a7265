/** Above this many UTF-16 units `encodeInto` beats a loop over character codes (Node 20: 24 cost about 60 ns). */
const SHORT_TEXT = 24
/** Above this many bytes the decoder beats appending characters one by one. */
const SHORT_BYTES = 8

const encoder = new TextEncoder()
// Without ignoreBOM the decoder would swallow a leading U+FEFF, and a consumer would not get what was sent.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** The most bytes that `text` can take as UTF-8. */
export function maxUtf8Length(text: string): number {
  return text.length * 3
}

/**
 * Writes `text` as UTF-8 into `target` from `at` on, where maxUtf8Length(text) bytes must be free; lone surrogates
 * become U+FFFD. Returns how many bytes it took.
 */
export function writeUtf8(text: string, target: Uint8Array, at: number): number {
  const length = text.length
  if (length <= SHORT_TEXT) {
    let index = 0
    while (index < length) {
      const code = text.charCodeAt(index)
      if (code > 0x7f) break
      target[at + index] = code
      index++
    }
    if (index === length) return length
  }
  return encoder.encodeInto(text, target.subarray(at)).written
}

/** The text of the UTF-8 bytes in [start, end), which must lie within `source`; malformed bytes become U+FFFD. */
export function readUtf8(source: Uint8Array, start: number, end: number): string {
  if (end - start <= SHORT_BYTES) {
    let text = ''
    let at = start
    while (at < end) {
      const byte = source[at]!
      if (byte > 0x7f) break
      text += String.fromCharCode(byte)
      at++
    }
    if (at === end) return text
  }
  return decoder.decode(source.subarray(start, end))
}

/** `text` as UTF-8, in bytes of its own. */
export function encodeUtf8(text: string): Uint8Array {
  return encoder.encode(text)
}
