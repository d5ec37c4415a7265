import { PortalError } from '../core/errors.js'
import { describe } from '../core/options.js'
import type { DedupeConfig, RetentionConfig, TopicConfig, TopicPatch } from '../protocol/topics.js'

const MAX_PARTITIONS = 10_000
/** A message must fit into one entry, and an entry into memory several times. */
const MAX_MESSAGE_BYTES = 64 << 20

/** What a broker gives to topics that do not say it, and how many replicas it can give at most. */
export interface ReplicaLimits {
  readonly defaults: { readonly replicas: number; readonly minInSync?: number | undefined }
  readonly maxReplicas: number
}

/** A topic's configuration from what was asked for and the defaults. Throws INVALID_ARGUMENT. */
export function resolveTopicConfig(
  asked: Partial<TopicConfig>,
  { defaults, maxReplicas }: ReplicaLimits,
): TopicConfig {
  const partitions = whole(orElse(asked.partitions, 1), 'partitions', 1, MAX_PARTITIONS)
  const replicas = whole(orElse(asked.replicas, defaults.replicas), 'replicas', 1, maxReplicas)
  const minInSync = whole(
    orElse(asked.minInSync, defaultMinInSync(replicas, defaults)),
    'minInSync',
    1,
    replicas,
  )
  return {
    partitions,
    replicas,
    minInSync,
    retention: checkRetention({ after: 3_600_000, ...defined(asked.retention) }),
    maxMessageBytes: whole(orElse(asked.maxMessageBytes, 1 << 20), 'maxMessageBytes', 1, MAX_MESSAGE_BYTES),
    dedupe: checkDedupe({ window: 600_000, ids: 1_000_000, ...defined(asked.dedupe) }),
  }
}

/** How many of the replicas must have a message, if the topic does not say it. */
export function defaultMinInSync(
  replicas: number,
  { minInSync = Math.floor(replicas / 2) + 1 }: { readonly minInSync?: number | undefined },
): number {
  return Math.min(minInSync, replicas)
}

/** The configuration after a change. Throws INVALID_ARGUMENT. */
export function patchTopicConfig(
  config: Omit<TopicConfig, 'partitions'>,
  patch: TopicPatch,
): Omit<TopicConfig, 'partitions'> {
  return {
    ...config,
    retention: checkRetention(patchRetention(config.retention, patch.retention)),
    maxMessageBytes: whole(
      orElse(patch.maxMessageBytes, config.maxMessageBytes),
      'maxMessageBytes',
      1,
      MAX_MESSAGE_BYTES,
    ),
    dedupe: checkDedupe({ ...config.dedupe, ...defined(patch.dedupe) }),
  }
}

export function checkPartitionCount(partitions: number, present: number): void {
  whole(partitions, 'partitions', present, MAX_PARTITIONS)
}

function patchRetention(retention: RetentionConfig, patch: TopicPatch['retention']): RetentionConfig {
  const changed: Record<string, unknown> = { ...(retention as object), ...defined(patch) }
  return Object.fromEntries(
    Object.entries(changed).filter(([, value]) => value !== null),
  ) as unknown as RetentionConfig
}

function checkRetention(retention: RetentionConfig): RetentionConfig {
  whole(retention.after, 'retention.after', 0)
  if (retention.age !== undefined) whole(retention.age, 'retention.age', 1)
  if (retention.bytes !== undefined) whole(retention.bytes, 'retention.bytes', 0)
  return retention
}

function checkDedupe(dedupe: DedupeConfig): DedupeConfig {
  whole(dedupe.window, 'dedupe.window', 0)
  whole(dedupe.ids, 'dedupe.ids', 0, 10_000_000)
  return dedupe
}

/** Only what is not said has a default: null says something. */
function orElse<T>(value: T | undefined, fallback: T): T {
  return value === undefined ? fallback : value
}

function whole(value: number, name: string, least: number, most = Number.MAX_SAFE_INTEGER): number {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value
  const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`
  throw new PortalError(
    'INVALID_ARGUMENT',
    `${name} must be a whole number ${range}, not ${describe(value)}.`,
  )
}

/** Without the fields that are undefined, so that they do not hide defaults. */
export function defined<T extends object>(value: T | undefined): Partial<T> {
  return Object.fromEntries(
    Object.entries(value ?? {}).filter(([, field]) => field !== undefined),
  ) as Partial<T>
}
