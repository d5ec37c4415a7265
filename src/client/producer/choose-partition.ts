import { PortalError } from '../../core/errors.js'
import { partitionForKey } from '../../core/murmur2.js'
import { encodeUtf8 } from '../../core/utf8.js'
import type { Outgoing } from './outgoing.js'
import type { PartitionQueue } from './partition-queue.js'
import type { TopicQueue } from './topic-queue.js'

/** Where a message goes: the partition it names, else by its key, else by its id, else to the batch that is filling. */
export function choosePartition(topic: TopicQueue, outgoing: Outgoing): PartitionQueue {
  const count = topic.partitions.length
  const { partition, record } = outgoing
  if (partition !== undefined) {
    const queue = topic.partitions[partition]
    if (queue !== undefined) return queue
    throw new PortalError(
      'INVALID_ARGUMENT',
      `Topic '${topic.name}' has partitions 0 to ${count - 1}, not ${partition}: nothing was sent.`,
    )
  }
  if (count === 1) return topic.partitions[0]!
  const key = record.key ?? record.id
  if (key === undefined) return topic.sticky()
  return topic.partitions[partitionForKey(typeof key === 'string' ? encodeUtf8(key) : key, count)]!
}
