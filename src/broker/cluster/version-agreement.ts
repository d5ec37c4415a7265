import {
  commonVersions,
  FIRST_VERSIONS,
  raiseVersions,
  type Versions,
} from '../../coordination/cluster-versions.js'
import type { DocumentStore } from '../../coordination/document-store.js'
import {
  type BrokerDocument,
  type ClusterDocument,
  clusterKind,
  type MemberDocument,
  paths,
} from '../../coordination/documents.js'
import { isPortalError } from '../../core/errors.js'

export interface VersionAgreementParts {
  readonly documents: DocumentStore
  brokers(): Iterable<BrokerDocument>
  members(): ReadonlyMap<string, MemberDocument>
  /** The cluster uses these from now on. */
  agreed(versions: Versions): void
  readonly onError: (error: unknown) => void
}

/**
 * What the brokers of a cluster may say and write. The cluster's document records it before anybody uses it: so a build that does not read it
 * is turned away when it joins. Every broker looks by itself, whenever brokers come or change; nobody need be the controller.
 */
export class VersionAgreement {
  readonly #parts: VersionAgreementParts
  #agreed: ClusterDocument
  #looking: Promise<void> | undefined
  #again = false

  constructor(parts: VersionAgreementParts, cluster: ClusterDocument) {
    this.#parts = parts
    this.#agreed = cluster
    parts.agreed(cluster.versions ?? FIRST_VERSIONS)
  }

  /** Brokers came, changed or went. */
  look(): void {
    this.#again = true
    this.#looking ??= this.#raise().finally(() => {
      this.#looking = undefined
    })
  }

  async #raise(): Promise<void> {
    const { documents, onError } = this.#parts
    while (this.#again) {
      this.#again = false
      const common = commonVersions(this.#parts.brokers(), this.#parts.members())
      if (raiseVersions(this.#agreed, common) === undefined) continue
      try {
        const change = await documents.change(clusterKind, paths.cluster, (cluster) =>
          raiseVersions(cluster, common),
        )
        if (change === undefined) continue
        this.#agreed = change.document
        this.#parts.agreed(change.document.versions ?? FIRST_VERSIONS)
      } catch (error) {
        // Undecided: the next broker that comes, or the next session, has it looked at again.
        if (!isPortalError(error, 'DISCONNECTED', 'CLOSED')) onError(error)
      }
    }
  }
}
