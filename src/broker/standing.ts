import type { LockService } from '../coordination/lock.js'
import type { Metadata } from '../coordination/metadata.js'
import type { PortalError } from '../core/errors.js'
import type { ClusterDescription, PartitionPlacement } from '../protocol/cluster.js'
import type { ClientSide } from '../protocol/connection.js'
import type { MetricFamily } from '../protocol/metrics.js'
import type { ClusterCommand, CommandResponse, PeerService } from '../protocol/peer-service.js'
import type { BrokerService } from '../protocol/service.js'
import type { CallSignal } from '../runtime/call-signal.js'
import type { StorageSpace } from '../storage/storage.js'
import type { AppendElsewhere } from './dead-letter-movers.js'
import type { Estate } from './estate.js'

/** How a broker stands among others: alone, or in a cluster. */
export interface Standing {
  readonly clusterId: string
  /** Of the coordination session that lives; DISCONNECTED while there is none. */
  readonly metadata: Metadata
  readonly locks: LockService
  readonly estate: Estate
  /** What other brokers may ask; undefined: there are none. */
  readonly peers: PeerService | undefined
  /** Whether whoever lives in this process ends with what it leads: its leases are then its own. */
  readonly isAlone: boolean
  readonly appendElsewhere: AppendElsewhere
  /** As `ClientSide` has it; undefined: it leads all itself. */
  readonly leaderOf: ClientSide['leaderOf']
  /** The service of all that there is, where `own` is that of what is led here. */
  route(own: BrokerService): BrokerService
  /** A log that is led here cannot be read: others shall lead it, and repair it. Returns what to tell whoever has asked. */
  damaged(log: string, error: PortalError): PortalError
  /**
   * Told again and again. `full`: the disk is nearly full, and no messages are taken: others shall lead what they can. `space`: what
   * there is.
   */
  measured(full: boolean, space: StorageSpace): void
  /** What there is to say of the cluster besides what every broker says of itself. */
  describe(): Partial<ClusterDescription>
  /** `ledOnly`: of the partitions alone that this broker leads. */
  describePlacement(topic: string | undefined, ledOnly: boolean): readonly PartitionPlacement[]
  /** Has the controller do what an administrator asks. UNSUPPORTED where there is none. */
  command(command: ClusterCommand, signal: CallSignal | undefined): Promise<CommandResponse>
  metrics(): readonly MetricFamily[]
  /** Before it can be reached: recovers what it has. */
  open(): Promise<void>
  /** It is reached at `url`: takes its place. */
  join(url: string | undefined): Promise<void>
  /** Gives up what others can have, while everything still works. */
  leave(): Promise<void>
  /** Ends it; nothing is under way any more. `error`: the storage has failed. */
  close(error: PortalError | undefined): Promise<void>
}
