import { promisify } from 'node:util'
import * as zlib from 'node:zlib'
import { PortalError } from '../../core/errors.js'
import type { Compression, ProduceBatch } from '../../protocol/service.js'
import { COMPRESSIONS, type PackedBatch } from '../../protocol/wire/produce.js'

type Transform = (bytes: Uint8Array, options: { readonly maxOutputLength: number }) => Promise<Uint8Array>

const deflate = promisify(zlib.deflateRaw) as Transform
const inflate = promisify(zlib.inflateRaw) as Transform
/** Node has them from 22.15 on. */
const newer = zlib as { readonly zstdCompress?: unknown; readonly zstdDecompress?: unknown }
const zstd = newer.zstdCompress ? (promisify(newer.zstdCompress as never) as Transform) : undefined
const unzstd = newer.zstdDecompress ? (promisify(newer.zstdDecompress as never) as Transform) : undefined

/** Packs records for the way. Rejects with UNSUPPORTED where this Node lacks what it takes. */
export function pack(records: Uint8Array, compression: Compression): Promise<Uint8Array> {
  return transform(compression, deflate, zstd)(records, { maxOutputLength: 2 ** 30 })
}

/** The batches as they were before the way. What unpacks to more than `maxBytes` in all is refused before it is unpacked whole. */
export async function unpack(
  batches: readonly PackedBatch[],
  maxBytes: number,
): Promise<readonly ProduceBatch[]> {
  const unpacked: ProduceBatch[] = []
  let left = maxBytes
  for (const batch of batches) {
    const { topicId, partition, packing } = batch
    const records = packing === 0 ? batch.records : await unpackOne(batch, left)
    left -= records.length
    unpacked.push({ topicId, partition, records })
  }
  return unpacked
}

async function unpackOne({ records, packing }: PackedBatch, maxBytes: number): Promise<Uint8Array> {
  const compression = COMPRESSIONS[packing - 1]
  if (compression === undefined)
    throw new PortalError('UNSUPPORTED', `Records come packed in a way (${packing}) that is not known here.`)
  const unpackBytes = transform(compression, inflate, unzstd)
  try {
    return await unpackBytes(records, { maxOutputLength: Math.max(1, maxBytes) })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE')
      throw new PortalError(
        'MESSAGE_TOO_LARGE',
        'Packed records are longer than a body may be once unpacked.',
      )
    throw new PortalError('CORRUPT', 'Packed records cannot be unpacked.', { cause })
  }
}

function transform(compression: Compression, flate: Transform, std: Transform | undefined): Transform {
  if (compression === 'deflate') return flate
  if (std) return std
  throw new PortalError(
    'UNSUPPORTED',
    "This Node has no zstd (22.15 and later have): use compression 'deflate'.",
  )
}
