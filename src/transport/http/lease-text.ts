import { PortalError } from '../../core/errors.js'
import type { LeaseToken } from '../../protocol/service.js'

/** A lease of one message, as it goes out in JSON: opaque to whoever has it, and all that settling needs. */
export interface LeaseText {
  readonly topicId: string
  readonly generation: number
  readonly partition: number
  readonly offset: number
  readonly token: LeaseToken
  readonly consumer: string
}

export function formatLease(lease: LeaseText): string {
  const { token } = lease
  const numbers = [lease.generation, lease.partition, lease.offset, token.epoch, token.index, token.slot]
  return [lease.topicId, ...numbers.map((one) => one.toString(36)), lease.consumer].join('~')
}

/** Throws INVALID_ARGUMENT for what `formatLease` never wrote. */
export function parseLease(text: string): LeaseText {
  const [topicId = '', ...rest] = text.split('~')
  const numbers = rest
    .slice(0, 6)
    .map((one) => (/^[0-9a-z]{1,11}$/.test(one) ? Number.parseInt(one, 36) : Number.NaN))
  const consumer = rest[6] ?? ''
  const [generation, partition, offset, epoch, index, slot] = numbers as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  if (rest.length !== 7 || topicId === '' || consumer === '' || !numbers.every(Number.isSafeInteger)) {
    throw new PortalError(
      'INVALID_ARGUMENT',
      `'${text.slice(0, 100)}' is no lease: give the 'lease' of a message as receive gave it.`,
    )
  }
  return { topicId, generation, partition, offset, token: { epoch, index, slot }, consumer }
}
