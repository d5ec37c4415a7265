import { PortalError } from '../core/errors.js'
import { type Random, randomId } from '../runtime/runtime.js'
import type { DocumentStore } from './document-store.js'
import { type ClusterDocument, clusterKind, paths } from './documents.js'

export interface ClusterParts {
  readonly documents: DocumentStore
  readonly random: Random
  /** Milliseconds since the Unix epoch. */
  readonly now: number
}

/**
 * The cluster that the coordination store belongs to; the first broker makes it. `clusterId`: what the broker's database says; undefined
 * for a fresh one, which adopts the cluster's. INVALID_ARGUMENT if they differ.
 */
export async function joinCluster(
  { documents, random, now }: ClusterParts,
  clusterId: string | undefined,
): Promise<ClusterDocument> {
  const made: ClusterDocument = { clusterId: clusterId ?? randomId(random, 16), createdAt: Math.floor(now) }
  let cluster = (await documents.read(clusterKind, paths.cluster))?.document
  if (cluster === undefined) {
    if (await documents.create(clusterKind, paths.cluster, made)) return made
    cluster = (await documents.read(clusterKind, paths.cluster))?.document
  }
  if (cluster === undefined) {
    throw new PortalError(
      'DISCONNECTED',
      `The coordination node ${paths.cluster} was removed just now: try again.`,
    )
  }
  if (clusterId === undefined || cluster.clusterId === clusterId) return cluster
  throw new PortalError(
    'INVALID_ARGUMENT',
    `This broker's database belongs to the cluster ${clusterId}, but the coordination service holds the cluster ${cluster.clusterId}: give it that cluster's address or path, or another directory.`,
  )
}
