import { ByteReader, expectEnd, seal, sealedWriter, unseal } from '../core/bytes.js'
import { PortalError } from '../core/errors.js'
import { portableCrc32 } from '../runtime/crc32.js'

/** The format of saved nodes that this build writes. */
const NODE_FORMAT = 1

/** What of a persistent node is kept in the broker's database. */
export interface SavedNode {
  readonly data: Uint8Array
  readonly version: number
  /** The number that the next sequential child gets: kept, so that numbers rise across restarts. */
  readonly nextNumber: number
}

/** Sealed: databases do not notice a flipped bit in a value, and a wrong leader or epoch must not pass for a right one. */
export function encodeNode(node: SavedNode): Uint8Array {
  const writer = sealedWriter(node.data.length + 32)
  writer.u8(NODE_FORMAT)
  writer.varint(node.version)
  writer.varint(node.nextNumber)
  writer.bytes(node.data)
  return seal(writer, portableCrc32)
}

/** CORRUPT for damaged bytes, UNSUPPORTED for those of a newer build. */
export function decodeNode(path: string, bytes: Uint8Array): SavedNode {
  try {
    const reader = new ByteReader(unseal(bytes, portableCrc32))
    const format = reader.u8()
    if (format > NODE_FORMAT) throw new PortalError('UNSUPPORTED', `its format is ${format}`)
    const node = { version: reader.varint(), nextNumber: reader.varint(), data: reader.bytes().slice() }
    expectEnd(reader)
    return node
  } catch (cause) {
    const newer = cause instanceof PortalError && cause.code === 'UNSUPPORTED'
    throw new PortalError(
      newer ? 'UNSUPPORTED' : 'CORRUPT',
      newer
        ? `The saved coordination node ${path} was written by a newer portal-mq: open this directory with that one.`
        : `The saved coordination node ${path} is damaged: restore the broker's directory from a copy.`,
      { cause },
    )
  }
}
