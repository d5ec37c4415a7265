import { isPortalError } from '../../core/errors.js'
import type { CheckPartition } from '../../routing/ask.js'
import type { Timers } from '../../runtime/runtime.js'
import { sleepUntil } from '../../runtime/wait.js'
import type { Hosting } from '../hosting.js'
import { partitionMissing } from '../missing.js'

/** How long the coordination service may take to say how many partitions there are (ms). */
const LOOK = 1_000

export interface PartitionCheckParts {
  readonly hosting: Hosting
  readonly timers: Timers
  /** What is written of a topic, no older than the call: who is refused does not ask again. */
  readTopic(name: string): Promise<{ readonly id: string; readonly partitions: number } | undefined>
}

/**
 * Refuses partitions that a topic does not have. Beyond those that this broker has been told of there may be more by now: that is looked up before
 * anything is refused, and nothing is while nobody can say.
 */
export function partitionCheck({ hosting, timers, readTopic }: PartitionCheckParts): CheckPartition {
  const countNow = async (name: string, topicId: string): Promise<number | undefined> => {
    try {
      const topic = await readTopic(name)
      return topic?.id === topicId ? topic.partitions : undefined
    } catch (error) {
      if (isPortalError(error)) return undefined
      throw error
    }
  }
  return async (topicId, partition) => {
    const topic = hosting.topicById(topicId)
    if (topic === undefined) return
    const { name, document } = topic
    if (!Number.isInteger(partition) || partition < 0)
      throw partitionMissing(name, document.partitions, partition)
    if (partition < document.partitions) return
    const ends = { timeout: LOOK }
    const count = await sleepUntil<number>(timers, 'Looking for a partition', ends, (resolve, reject) => {
      countNow(name, topicId).then(resolve, reject)
      return () => {}
    })
    if (count !== undefined && partition >= count) throw partitionMissing(name, count, partition)
  }
}
