import type { GroupDocument } from '../coordination/documents.js'
import type { EntryBody, GroupBody } from '../core/entry-body.js'
import type { PartitionState } from '../core/partition-state.js'
import type { Partition } from './partition.js'
import type { Topic } from './topic.js'

/** A leader's first entries: its epoch; the end of the leases of this process's past life; groups that a crash kept from starting. */
export function writeFirstEntries(
  topic: Topic,
  opened: readonly Partition[],
  leader: string,
): Promise<unknown> {
  const held = heldLocally(opened)
  const essential = { essential: true }
  return Promise.all(
    opened.flatMap((partition) => [
      partition.propose(() => ({ kind: 'epoch', leader }), essential),
      partition.propose((state) => dedupeChange(topic, state), essential),
      ...[...partition.state.queues.keys()].map((group) =>
        partition.propose((state) => groupEnd(topic, group, state), essential),
      ),
      ...[...topic.groups.values()].map((group) =>
        partition.propose((state) => groupStart(group, state, partition.partition), essential),
      ),
      partition.endLocalLeases((group, consumer) => held.get(`${group}\n${consumer}`) ?? 0),
    ]),
  )
}

/** Consumer of a group -> how many messages it held, over all partitions, when this process last ended. */
function heldLocally(partitions: readonly Partition[]): Map<string, number> {
  const held = new Map<string, number>()
  for (const { state } of partitions) {
    for (const queue of state.queues.values()) {
      for (const [consumer, count] of queue.held) {
        const key = `${queue.group}\n${consumer}`
        held.set(key, (held.get(key) ?? 0) + count)
      }
    }
  }
  return held
}

/** The entry that brings a topic's limits of deduplication into force, if they are not. */
export function dedupeChange(topic: Topic, state: PartitionState): EntryBody | undefined {
  const { window, ids } = topic.document.config.dedupe
  if (state.dedupeLimits.window === window && state.dedupeLimits.ids === ids) return undefined
  return { kind: 'topic', dedupe: { window, ids } }
}

/** The entry that starts this generation of a group in a partition, if it has not started. */
export function groupStart(
  group: GroupDocument,
  state: PartitionState,
  partition: number,
): GroupBody | undefined {
  const queue = state.queues.get(group.name)
  if (queue && queue.generation >= group.generation) return undefined
  const start = startOffset(group, state, partition)
  return {
    kind: 'group',
    group: group.name,
    change: { type: 'started', generation: group.generation, start },
  }
}

/** The entry that ends a group that is not there: it would hold back retention for ever. */
export function groupEnd(topic: Topic, group: string, state: PartitionState): GroupBody | undefined {
  if (topic.groups.has(group) || !state.queues.has(group)) return undefined
  return { kind: 'group', group, change: { type: 'deleted' } }
}

function startOffset(group: GroupDocument, state: PartitionState, partition: number): number {
  const resolved = group.startOffsets?.[partition]
  if (resolved !== undefined) return Math.min(resolved, state.nextOffset)
  // A partition that was added later starts at its beginning.
  if (group.startOffsets !== undefined) return 0
  switch (group.from.kind) {
    case 'earliest':
      return 0
    case 'latest':
      return state.directory.findTime(group.createdAt)?.baseOffset ?? state.nextOffset
    case 'time':
      return state.directory.findTime(group.from.time)?.baseOffset ?? state.nextOffset
    case 'offset':
      return Math.min(group.from.offset, state.nextOffset)
  }
}
