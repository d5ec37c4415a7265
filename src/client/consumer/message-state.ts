/**
 * What became of a message that was leased. Numbers, for many are kept in one array of bytes; constants of a module, for a bundler writes those out
 * in place.
 */

/** Not leased to us: its batch came along with others. */
export const absent = 0
export const buffered = 1
export const inHand = 2
/** The three outcomes, in this order. */
export const acked = 3
export const nacked = 4
export const rejected = 5
/** From here on it is not ours (any more). */
export const released = 6
export const lost = 7
/** Its lease ended while it was in hand, and nobody watched: it takes no room, but may still be settled; the broker knows whether that is too late. */
export const overdue = 8
