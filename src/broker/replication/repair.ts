import type { ReplicaName } from '../../coordination/documents.js'
import type { VersionedPartition } from '../../coordination/partition-version.js'
import { isPortalError, type PortalError } from '../../core/errors.js'
import { isSameReplica } from '../../core/placement/placed-partition.js'
import type { PartitionHost } from '../host.js'
import type { HandOver } from './hand-over.js'
import type { InSyncHost } from './in-sync-set.js'
import { type Led, notLed } from './led.js'

/** What the repair of a replica needs of its broker. */
export interface RepairHost extends Pick<InSyncHost, 'self' | 'documentChanged'> {
  readonly partitions: Pick<PartitionHost, 'emit'>
  /** The life of a replica that lives; undefined: it does not. */
  generationOf(replica: ReplicaName): number | undefined
  /** The log is not whole. */
  distrust(log: string): void
}

/** The replica, as far as its repair looks at it. */
export interface Repaired {
  readonly log: string
  led(): Led | undefined
  handOver(led: Led, how: HandOver): Promise<VersionedPartition>
  /** Resolves when it is what its document says. */
  settled(): Promise<void>
}

/** What becomes of a leader whose log cannot be read: another that is in sync shall lead, and this one begins anew as a follower. */
export class Repair {
  readonly #host: RepairHost
  readonly #replica: Repaired
  #isUnderWay = false
  /** Leads what nobody can repair, and has said so. */
  #complained: Led | undefined

  constructor(host: RepairHost, replica: Repaired) {
    this.#host = host
    this.#replica = replica
  }

  /** What is led cannot be read. Returns what to tell whoever has asked: the same, unless others have the log. */
  damaged(error: PortalError): PortalError {
    const led = this.#replica.led()
    if (led?.leading.document.inSync.every((replica) => isSameReplica(replica, this.#host.self))) {
      if (this.#complained !== led) this.#host.partitions.emit('error', error)
      this.#complained = led
      return error
    }
    void this.#handOver(error)
    return notLed(this.#replica.log)
  }

  /** To whoever is in sync. */
  async #handOver(error: PortalError): Promise<void> {
    const led = this.#replica.led()
    if (!led || this.#isUnderWay) return
    this.#isUnderWay = true
    this.#host.partitions.emit('error', error)
    try {
      // What nobody else has and cannot be read is not committed: without it goes whoever has not everything, as when a leader dies.
      if (!(await this.#giveWay(led, true)) && !(await this.#giveWay(led, false))) return
      await this.#replica.settled()
    } finally {
      this.#isUnderWay = false
    }
  }

  /** Resolves to whether another in sync leads now: one that has everything, if it is waited for. */
  async #giveWay(led: Led, whole: boolean): Promise<boolean> {
    for (const replica of led.leading.document.inSync) {
      const generation = this.#host.generationOf(replica)
      if (isSameReplica(replica, this.#host.self) || generation === undefined) continue
      try {
        const to = { ...replica, generation }
        const written = () => {
          // It may be given back at once; if it was, what is damaged will be read again.
          if (this.#replica.led() === led) this.#host.distrust(led.log)
        }
        const changed = await this.#replica.handOver(led, { to, whole, written })
        this.#host.documentChanged(changed)
        return true
      } catch (refused) {
        if (!isPortalError(refused)) throw refused
      }
    }
    return false
  }
}
