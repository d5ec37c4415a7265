/** CRC-32 (IEEE 802.3, as zlib's) of `bytes`, continuing from `seed` (default 0). Handed in: browsers have no zlib. */
export type Crc32 = (bytes: Uint8Array, seed?: number) => number
