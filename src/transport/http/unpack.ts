import { PortalError } from '../../core/errors.js'
import type { ProduceBatch } from '../../protocol/service.js'
import type { PackedBatch } from '../../protocol/wire/produce.js'

/** The batches with their records as they were before the way. */
export async function unpack(batches: readonly PackedBatch[]): Promise<readonly ProduceBatch[]> {
  for (const { packing } of batches) {
    if (packing !== 0)
      throw new PortalError(
        'UNSUPPORTED',
        `Records come packed in a way (${packing}) that is not known here.`,
      )
  }
  return batches
}
