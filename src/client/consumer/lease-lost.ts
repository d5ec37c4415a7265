import { PortalError } from '../../core/errors.js'
import type { HeldLease } from './held-batch.js'

export function leaseLost(lease: HeldLease, offset: number): PortalError<'LEASE_LOST'> {
  return new PortalError(
    'LEASE_LOST',
    `The lease of message ${nameOf(lease, offset)} is lost: it ran out, the group was moved, or the consumer ` +
      "closed. It is delivered again. Raise 'lease', call extend, or use run, which renews leases.",
  )
}

/** A message, for an error's sentence. */
export function nameOf(lease: HeldLease, offset: number): string {
  return `${offset} of '${lease.session.topic}' (partition ${lease.partition})`
}

/** The promise, whose failure may go unseen. */
export function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  return promise
}
