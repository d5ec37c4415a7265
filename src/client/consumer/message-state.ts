/**
 * What became of a message that was leased. Numbers, for many are kept in one array of bytes; constants of a module, for a bundler writes those out
 * in place.
 */

/** Not leased to us: its batch came along with others. */
export const absent = 0
export const buffered = 1
export const inHand = 2
export const acked = 3
export const nacked = 4
export const rejected = 5
export const released = 6
export const lost = 7
