import type { TrimBody } from '../core/entry-body.js'
import type { PartitionState } from '../core/partition-state.js'
import { bytesBound, selectTrimmed } from '../core/trim.js'
import type { RetentionConfig } from '../protocol/topics.js'
import type { Partition } from './partition.js'

/**
 * Removes what the topic's retention no longer keeps, a slice at a time, until nothing is left to remove; then asks for the snapshot
 * after which the space is given back.
 */
export async function applyRetention(partition: Partition, now: number): Promise<void> {
  let trimmed = false
  for (const reason of ['consumed', 'age', 'bytes'] as const) {
    while (!partition.closed) {
      let found = false
      await partition.propose((state) => {
        const trim = nextTrim(state, partition.topic.retention, reason, now)
        found = trim !== undefined
        return trim
      })
      if (!found) break
      trimmed = true
    }
  }
  if (trimmed) partition.requestSnapshot()
}

/** Whether `applyRetention` would remove anything now. */
export function isTrimmable(state: PartitionState, retention: RetentionConfig, now: number): boolean {
  return (['consumed', 'age', 'bytes'] as const).some(
    (reason) => nextTrim(state, retention, reason, now) !== undefined,
  )
}

function nextTrim(
  state: PartitionState,
  retention: RetentionConfig,
  reason: TrimBody['reason'],
  now: number,
): TrimBody | undefined {
  const trim = trimFor(state, retention, reason, now)
  return trim && selectTrimmed(state, trim, 1).length > 0 ? trim : undefined
}

function trimFor(
  state: PartitionState,
  retention: RetentionConfig,
  reason: TrimBody['reason'],
  now: number,
): TrimBody | undefined {
  const all = { boundIndex: state.nextIndex, boundTime: Math.max(0, Math.floor(now)) }
  switch (reason) {
    case 'consumed':
      return { kind: 'trim', reason, ...all, boundTime: Math.max(0, Math.floor(now - retention.after)) }
    case 'age':
      if (retention.age === undefined) return undefined
      return { kind: 'trim', reason, ...all, boundTime: Math.max(0, Math.floor(now - retention.age)) }
    case 'bytes': {
      const boundIndex = retention.bytes === undefined ? undefined : bytesBound(state, retention.bytes)
      return boundIndex === undefined
        ? undefined
        : { kind: 'trim', reason, boundIndex, boundTime: Number.MAX_SAFE_INTEGER }
    }
  }
}
