import type { GroupDocument, TopicDocument } from '../../src/coordination/documents.js'
import type { PartitionState } from '../../src/core/partition-state.js'

/** What a partition's log does not say as the documents do, though its leader has had the time: its settings and its groups. */
export function notInForce(
  state: PartitionState,
  topic: TopicDocument,
  groups: ReadonlyMap<string, GroupDocument>,
): string | undefined {
  const { window, ids } = topic.config.dedupe
  const { dedupeLimits, queues } = state
  if (dedupeLimits.window !== window || dedupeLimits.ids !== ids)
    return `remembers ids for ${dedupeLimits.window} ms, at most ${dedupeLimits.ids}, not for ${window} ms, at most ${ids}`
  for (const [name, { generation }] of groups) {
    const known = queues.get(name)?.generation
    if (known !== generation) return `has generation ${known} of group ${name}, not ${generation}`
  }
  for (const name of queues.keys()) if (!groups.has(name)) return `has group ${name}, which was deleted`
  return undefined
}
