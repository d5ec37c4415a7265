import { DEAD_LETTER_HEADERS } from '../../src/broker/dead-letters.js'

/** A message that died, as its dead letter says. */
export interface Death {
  readonly topic: string
  readonly partition: number
  readonly group: string
  readonly offset: number
  /** `topic/partition group offset`. */
  readonly key: string
}

/** Of which death a message is the copy; undefined: it is no dead letter. */
export function deathOf(headers: Readonly<Record<string, string>>): Death | undefined {
  const topic = headers[DEAD_LETTER_HEADERS.topic]
  if (topic === undefined) return undefined
  const partition = Number(headers[DEAD_LETTER_HEADERS.partition])
  const offset = Number(headers[DEAD_LETTER_HEADERS.offset])
  const group = headers[DEAD_LETTER_HEADERS.group]!
  return { topic, partition, group, offset, key: `${topic}/${partition} ${group} ${offset}` }
}
