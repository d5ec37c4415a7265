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

/** Errors that say that the cluster is not where it was. */
const missing = new WeakSet<PortalError>()

/** Whether the coordination service has lost the cluster, or is another one: it may be put right while the broker goes on with what it has. */
export function isClusterMissing(error: unknown): boolean {
  return error instanceof PortalError && missing.has(error)
}

/**
 * The cluster that the coordination store belongs to; the first broker makes it. `clusterId`: what the broker's database says; undefined
 * for a fresh one, which adopts the cluster's. INVALID_ARGUMENT if they differ, or if there is none any more: a new one would know of no topics, and hide
 * what the databases hold.
 */
export async function joinCluster(
  { documents, random, now }: ClusterParts,
  clusterId: string | undefined,
): Promise<ClusterDocument> {
  const cluster = await (clusterId === undefined ? findOrMake() : findKnown(documents))
  if (cluster === undefined) throw clusterMissing(clusterId!)
  if (clusterId === undefined || cluster.clusterId === clusterId) return cluster
  throw new PortalError(
    'INVALID_ARGUMENT',
    `This broker's database belongs to the cluster ${clusterId}, but the coordination service holds the cluster ${cluster.clusterId}: give it that cluster's address or path, or another directory.`,
  )

  async function findOrMake(): Promise<ClusterDocument> {
    const found = await readCluster(documents)
    if (found) return found
    const made: ClusterDocument = { clusterId: randomId(random, 16), createdAt: Math.floor(now) }
    if (await documents.create(clusterKind, paths.cluster, made)) return made
    const other = await readCluster(documents)
    if (other) return other
    throw new PortalError(
      'DISCONNECTED',
      `The coordination node ${paths.cluster} was removed just now: try again.`,
    )
  }
}

async function readCluster(documents: DocumentStore): Promise<ClusterDocument | undefined> {
  return (await documents.read(clusterKind, paths.cluster))?.document
}

/** A server that lags does not make a cluster look lost. */
async function findKnown(documents: DocumentStore): Promise<ClusterDocument | undefined> {
  const found = await readCluster(documents)
  if (found) return found
  await documents.catchUp()
  return readCluster(documents)
}

function clusterMissing(clusterId: string): PortalError {
  const error = new PortalError(
    'INVALID_ARGUMENT',
    `This broker's database belongs to the cluster ${clusterId}, of which the coordination service knows nothing: its address or path is another one, or it has lost its data. What the database holds is untouched. Give the right address or path, put the coordination service's data back, or make the cluster anew from what its brokers hold: "portal-mq cluster export" and "portal-mq cluster rebuild".`,
  )
  missing.add(error)
  return error
}
