import { portableCrc32 } from './crc32.js'
import type { Runtime } from './runtime.js'

const LONGEST_TIMEOUT = 2 ** 31 - 1

/**
 * The machine's own time, timers and randomness, by web standards only: it serves browsers as well as Node.
 * In Node, create-broker.ts replaces the CRC with zlib's.
 */
export function systemRuntime(overrides: Partial<Runtime> = {}): Runtime {
  return {
    clock: {
      now: () => Date.now(),
      monotonic: () => performance.now(),
    },
    timers: {
      setTimeout(callback, delay) {
        const handle = setTimeout(callback, Math.min(Math.max(delay, 0), LONGEST_TIMEOUT))
        return { cancel: () => clearTimeout(handle) }
      },
      defer,
    },
    random: {
      bytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
      float: () => Math.random(),
    },
    crc32: portableCrc32,
    ...overrides,
  }
}

/** `setImmediate` where there is one; a timer of 0 elsewhere (browsers clamp it to 4 ms only when nested). */
const defer: (callback: () => void) => void =
  typeof setImmediate === 'function'
    ? (callback) => void setImmediate(callback)
    : (callback) => void setTimeout(callback, 0)
