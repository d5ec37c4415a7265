import type { Crc32 } from '../core/crc32.js'

export type { Crc32 }

/**
 * The seams. Nothing outside this folder and the adapters asks the machine for time, timers or
 * randomness; whoever builds a broker or a connection hands a Runtime in. A simulator hands in its own
 * and thereby owns time and chance.
 */
export interface Runtime {
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly crc32: Crc32
}

export interface Clock {
  /** Wall clock in milliseconds since the Unix epoch. May jump. */
  now(): number
  /** Milliseconds since some start; never falls, never jumps. */
  monotonic(): number
}

export interface Timers {
  /** Runs `callback` once after `delay` milliseconds. Delays over 2^31 - 1 are cut to it: re-check on waking. */
  setTimeout(callback: () => void, delay: number): Timer
  /** Runs `callback` after the events of this turn have been handled: what is waiting by then goes together. */
  defer(callback: () => void): void
}

export interface Timer {
  /** Forgets the timer. Harmless once it has fired. */
  cancel(): void
}

export interface Random {
  /** `length` random bytes, good enough for identifiers. */
  bytes(length: number): Uint8Array
  /** A number in [0, 1). */
  float(): number
}

/** A random identifier: `length` bytes as lower-case hex. */
export function randomId(random: Random, length = 16): string {
  let id = ''
  for (const byte of random.bytes(length)) id += byte.toString(16).padStart(2, '0')
  return id
}
