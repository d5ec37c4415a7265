import { PortalError } from '../../core/errors.js'
import type { Partition } from '../partition.js'
import type { ServedPartition } from './leader-session.js'

/** What a replica leads, for as long as its epoch lasts. */
export interface Led extends ServedPartition {
  readonly partition: Partition
}

export function notLed(log: string): PortalError<'NOT_LEADER'> {
  return new PortalError(
    'NOT_LEADER',
    `Another broker leads ${log} now, or soon will: look the topic up again.`,
  )
}
