import type { Compression } from '../../protocol/service.js'
import { checkOptionNames, choiceOption, durationOption, numberOption } from '../options.js'

export interface ProducerOptions {
  /** Who must have fsynced before `send` resolves: every in-sync replica, or the leader alone. @default 'all' */
  readonly acks?: 'all' | 'leader' | undefined
  /**
   * Milliseconds from `send` until it gives up and rejects with TIMEOUT; until then everything retriable is tried again.
   * From 1. @default 120,000
   */
  readonly deliveryTimeout?: number | undefined
  /**
   * Bytes of messages that may be on their way. Beyond it `send` stays pending until there is room: whoever awaits is slowed
   * down. Whoever does not gets QUOTA_EXCEEDED once as many bytes again are waiting. From 1,024. @default 67,108,864 (64 MiB)
   */
  readonly bufferBytes?: number | undefined
  /** Requests to one broker that are under way at the same time, of at most 256 KiB each. 1 to 64. @default 4 */
  readonly maxInFlight?: number | undefined
  /**
   * Packs batches for their way to a broker elsewhere: less on the network, more work for both processors. They are stored unpacked. `zstd` needs
   * Node ≥ 22.15 on both sides. @default 'none'
   */
  readonly compression?: 'none' | 'deflate' | 'zstd' | undefined
}

export interface ResolvedProducerOptions {
  readonly acks: 'all' | 'leader'
  readonly deliveryTimeout: number
  readonly bufferBytes: number
  readonly maxInFlight: number
  readonly compression: Compression | undefined
}

const NAMES = ['acks', 'deliveryTimeout', 'bufferBytes', 'maxInFlight', 'compression'] as const

export function resolveProducerOptions(options: ProducerOptions): ResolvedProducerOptions {
  checkOptionNames('Producer', options, NAMES)
  const compression = choiceOption('compression', options.compression, 'none', ['none', 'deflate', 'zstd'])
  return {
    acks: choiceOption('acks', options.acks, 'all', ['all', 'leader']),
    deliveryTimeout: durationOption('deliveryTimeout', options.deliveryTimeout, 120_000, { min: 1 }),
    bufferBytes: numberOption('bufferBytes', options.bufferBytes, 64 * 2 ** 20, {
      min: 1024,
      unit: 'of bytes',
    }),
    maxInFlight: numberOption('maxInFlight', options.maxInFlight, 4, { min: 1, max: 64 }),
    compression: compression === 'none' ? undefined : compression,
  }
}
