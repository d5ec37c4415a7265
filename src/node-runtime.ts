import { crc32 as zlibCrc32 } from 'node:zlib'
import type { Runtime } from './runtime/runtime.js'
import { systemRuntime } from './runtime/system.js'

/** The machine's time, timers and randomness, with Node's own CRC-32 where it has one. */
export function nodeRuntime(): Runtime {
  return systemRuntime(zlibCrc32 ? { crc32: zlibCrc32 } : {})
}
