import type { ByteWriter } from '../../core/bytes.js'
import { Slab } from '../../core/slab.js'
import { beginMessage } from './wire.js'

// Marked for bundlers: clients, which answer nothing, carry none of it.
const slab = /* @__PURE__ */ new Slab()

/** Begins a message that is written out at once and then forgotten. `capacity`: about how many bytes will come. */
export function beginAnswer(capacity: number): ByteWriter {
  return beginMessage(capacity, slab.take(capacity))
}
