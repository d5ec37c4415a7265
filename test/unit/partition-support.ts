import { crc32 } from 'node:zlib'
import { BatchCache } from '../../src/broker/batch-cache.js'
import { Committer } from '../../src/broker/committer.js'
import type { PartitionHost } from '../../src/broker/host.js'
import type { Runtime } from '../../src/runtime/runtime.js'
import { SafeClock } from '../../src/runtime/safe-clock.js'
import { memoryStorage } from '../../src/storage/memory.js'

/** What a partition needs of its broker: a storage in memory, and nobody who listens. */
export function partitionHost(runtime: Runtime): PartitionHost {
  const storage = memoryStorage({ crc32 })
  return {
    brokerId: 'a',
    runtime,
    safeClock: new SafeClock(runtime.clock),
    storage,
    committer: new Committer(storage, runtime.timers, () => {}),
    cache: new BatchCache(1_000),
    refusal: () => undefined,
    damaged: (_, error) => error,
    emit: () => {},
  }
}
