/** How everything in core becomes bytes and comes back. */
export { ByteReader, expectEnd } from './byte-reader.js'
export { ByteWriter, varintLength } from './byte-writer.js'
export { SEAL_BYTES, seal, sealedWriter, unseal } from './seal.js'
