import type { PortalError } from '../core/errors.js'
import type { GroupSettings } from '../protocol/groups.js'
import type { RetentionConfig } from '../protocol/topics.js'
import type { Runtime } from '../runtime/runtime.js'
import type { SafeClock } from '../runtime/safe-clock.js'
import type { Storage } from '../storage/storage.js'
import type { BatchCache } from './batch-cache.js'
import type { Committer } from './committer.js'
import type { BrokerEvents } from './events.js'
import type { DamageHost } from './led-read.js'
import type { TopicCounters } from './metrics/counters.js'
import type { Dispatcher } from './waiters.js'

/** What a partition needs of the broker that hosts it. */
export interface PartitionHost extends DamageHost {
  readonly brokerId: string
  readonly runtime: Runtime
  readonly safeClock: SafeClock
  readonly storage: Storage
  readonly committer: Committer
  readonly cache: BatchCache
  /** Why new messages are refused now, if they are: the disk is nearly full. */
  refusal(): PortalError | undefined
  emit<E extends keyof BrokerEvents>(event: E, payload: BrokerEvents[E]): void
}

/** What a partition needs to know of its topic; it may change. */
export interface TopicView {
  readonly id: string
  readonly name: string
  readonly retention: RetentionConfig
  readonly maxMessageBytes: number
  readonly dispatchers: ReadonlyMap<string, Dispatcher>
  readonly counters: TopicCounters
  settings(group: string): GroupSettings | undefined
}
