import type { Versions } from '../../coordination/cluster-versions.js'
import type { ControllerSettings } from './controller-settings.js'

/** A broker's part in a cluster. */
export interface ClusterOptions {
  /** What fails together with it: replicas are spread over racks. */
  readonly rack?: string | undefined
  /** Replicas of topics that do not say how many. */
  readonly replicas: number
  /** How many of them must have a message before it is acknowledged. @default the majority */
  readonly minInSync?: number | undefined
  /** Milliseconds that a replica may be behind before it no longer counts as in sync. */
  readonly replicaLag: number
  /** Bytes a second that replicas which are behind fetch at most, at all leaders together. */
  readonly replicationThrottledRate: number
  readonly controller?: Partial<ControllerSettings> | undefined
  /** What it says that it reads; for tests. @default what this build does */
  readonly versions?: Versions | undefined
}
