import { isPortalError, PortalError } from '../../core/errors.js'
import type { Clock } from '../../runtime/runtime.js'
import { type Admission, addressOf, OPEN, REFUSALS } from './admission.js'
import { FORWARDED_HEADER, isBroker, type ResolvedCluster } from './cluster.js'
import type { HttpRequest } from './exchange.js'
import { Quotas } from './quota.js'

/** Lets brokers in. Undefined: it is a client's request. Throws UNAUTHENTICATED, QUOTA_EXCEEDED. */
export type AdmitPeer = (request: HttpRequest) => Admission | undefined

/** Below it brokers ask what no client may. */
const PEER_ROUTES = '/peer/'

/** The first broker has checked what its client may do, and has counted it. */
const FORWARDED: Admission = { ...OPEN, forwarded: true }

/** `cluster` undefined: whoever can ask may do everything anyway; but no browser, which may ask for a page of a stranger, is a broker. */
export function createPeerAdmission(cluster: ResolvedCluster | undefined, clock: Clock): AdmitPeer {
  const refusals = new Quotas(clock, {
    requestsPerSecond: REFUSALS,
    bytesInFlight: Number.POSITIVE_INFINITY,
  })
  return (request) => {
    try {
      return admit(cluster, request)
    } catch (error) {
      if (isPortalError(error, 'UNAUTHENTICATED')) refusals.request(addressOf(request)).done()
      throw error
    }
  }
}

function admit(cluster: ResolvedCluster | undefined, request: HttpRequest): Admission | undefined {
  const comesFromBroker =
    cluster === undefined ? request.header('origin') === undefined : isBroker(cluster, request)
  const isForPeers = isPeerPath(request.path)
  if (comesFromBroker && isForPeers) return OPEN
  if (comesFromBroker && request.header(FORWARDED_HEADER) !== undefined) return FORWARDED
  if (isForPeers)
    throw new PortalError(
      'UNAUTHENTICATED',
      'Brokers of the cluster alone may ask this: it takes their secret or certificate, and no token of a client.',
    )
  if (cluster === undefined || !comesFromBroker) return undefined
  throw new PortalError(
    'UNAUTHENTICATED',
    'A secret or certificate of brokers lets no client in: clients have tokens or certificates of their own.',
  )
}

export function isPeerPath(path: string): boolean {
  return path.startsWith(PEER_ROUTES)
}
