import { PortalError } from '../core/errors.js'
import type { BrokerDocument, ClusterDocument, MemberDocument } from './documents.js'

/** Versions: of what brokers say to each other, and of the entries (and snapshots) that leaders write. */
export interface Versions {
  readonly peer: number
  readonly entry: number
}

/** Of a cluster whose document names none: every build reads these. */
export const FIRST_VERSIONS: Versions = { peer: 1, entry: 1 }

/**
 * The highest versions that a cluster may use from now on: what all of its brokers read. One that is registered and does not live may come
 * back as the build that it was, so nothing rises without it; one that was drained holds nothing, and is not waited for.
 */
export function commonVersions(
  brokers: Iterable<BrokerDocument>,
  members: ReadonlyMap<string, MemberDocument>,
): Versions {
  const common = { peer: Number.POSITIVE_INFINITY, entry: Number.POSITIVE_INFINITY }
  const count = ({ peer, entry }: Versions): void => {
    common.peer = Math.min(common.peer, peer)
    common.entry = Math.min(common.entry, entry)
  }
  for (const { versions } of members.values()) count(versions)
  for (const { broker, drained } of brokers) if (!members.has(broker) && !drained) count(FIRST_VERSIONS)
  return members.size === 0 ? FIRST_VERSIONS : common
}

/** The document with the versions raised, each by itself; undefined: there is nothing to raise. They never fall: what was written stays. */
export function raiseVersions(
  cluster: ClusterDocument,
  { peer, entry }: Versions,
): ClusterDocument | undefined {
  const before = cluster.versions ?? FIRST_VERSIONS
  if (peer <= before.peer && entry <= before.entry) return undefined
  return {
    ...cluster,
    versions: { peer: Math.max(peer, before.peer), entry: Math.max(entry, before.entry) },
  }
}

/** Throws UNSUPPORTED if the cluster uses what a broker that reads `own` does not know. */
export function checkVersions({ versions = FIRST_VERSIONS }: ClusterDocument, own: Versions): void {
  if (versions.peer <= own.peer && versions.entry <= own.entry) return
  throw new PortalError(
    'UNSUPPORTED',
    `The cluster speaks version ${versions.peer} between brokers and writes entries of version ${versions.entry}; this portal-mq reads up to ${own.peer} and ${own.entry}. Install the version that the other brokers run.`,
  )
}
