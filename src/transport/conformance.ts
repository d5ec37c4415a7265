import { callCases } from './conformance/calls.js'
import { endCases } from './conformance/ends.js'
import { errorCases } from './conformance/errors.js'
import { peerCases } from './conformance/peers.js'
import { streamCases } from './conformance/streams.js'
import type { TransportConformanceCase } from './conformance/support.js'
import { waitCases } from './conformance/waits.js'

export type { OpenTransport, TransportConformanceCase } from './conformance/support.js'

export interface TransportConformanceOptions {
  /** Whether the service is elsewhere: then a broker that is CLOSED is one that is DISCONNECTED. */
  readonly network: boolean
}

/**
 * What every transport must do, as named cases for any test runner.
 *
 * @example
 * for (const { name, run } of transportConformance({ network: true })) {
 *   test(name, () => run(async () => http({ port: 0 })))
 * }
 */
export function transportConformance(options: TransportConformanceOptions): TransportConformanceCase[] {
  return [
    ...callCases,
    ...errorCases(options.network),
    ...waitCases,
    ...streamCases,
    ...endCases,
    ...peerCases,
  ]
}
