import { PortalError } from '../core/errors.js'

export function topicMissing(name: string): PortalError<'TOPIC_NOT_FOUND'> {
  return new PortalError(
    'TOPIC_NOT_FOUND',
    `There is no topic ${name}. Make it with admin.createTopic('${name}'), or send to it.`,
  )
}

export function topicExists(name: string): PortalError<'TOPIC_EXISTS'> {
  return new PortalError(
    'TOPIC_EXISTS',
    `There is a topic ${name} already. Change it with admin.updateTopic.`,
  )
}

export function partitionMissing(
  topic: string,
  count: number,
  partition: number,
): PortalError<'INVALID_ARGUMENT'> {
  return new PortalError(
    'INVALID_ARGUMENT',
    `Topic ${topic} has partitions 0 to ${count - 1}, not ${partition}.`,
  )
}

export function groupMissing(topic: string, group: string): PortalError<'GROUP_NOT_FOUND'> {
  return new PortalError(
    'GROUP_NOT_FOUND',
    `Topic ${topic} has no group ${group}. The group's first consumer makes it.`,
  )
}

export function nothingLedHere(topic: string): PortalError<'NOT_LEADER'> {
  return new PortalError('NOT_LEADER', `No partition of topic ${topic} is led here: look it up again.`)
}

export function notLedHere(topicId: string, partition: number): PortalError<'NOT_LEADER'> {
  return new PortalError('NOT_LEADER', `Partition ${topicId}/${partition} is not led here.`)
}
