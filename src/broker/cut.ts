import { ENTRY_VERSION } from '../core/entry.js'
import type { PortalError } from '../core/errors.js'
import type { Write } from '../storage/storage.js'
import type { CommitGroup } from './committer.js'

/** What a partition's work of one turn is written to. */
export interface Cut {
  readonly isFull: boolean
  bytes: number
  durable: boolean
  add(write: Write, bytes: number): void
  /** Calls back when all entries so far are committed; or `failed` once it is certain that this leader will never know. */
  onCommitted(callback: () => void, failed?: (error: PortalError) => void): void
  /** Calls back when all entries so far are fsynced here, whoever else has them. */
  onStored(callback: () => void, failed?: (error: PortalError) => void): void
}

/** Decides when a partition's entries are committed. */
export interface Commitment {
  /** Below it everything is committed: what a snapshot may cover. */
  readonly committedIndex: number
  /** Below it nobody asks for entries any more: what may be dropped. */
  readonly neededFrom: number
  /** The version in which entries are written: all who may read them know it. */
  readonly entryVersion: number
  /** `next`: the index that the next entry would get now, at any time. */
  cut(group: CommitGroup, next: () => number): Cut
  /** Why nothing is appended now, if so. */
  refusal(): PortalError | undefined
  /** Resolves once it is certain that nobody else led when this was called; NOT_LEADER if that does not become certain. */
  confirm(): Promise<void>
  /** The slowest wall clock among those in sync (ms since the Unix epoch). */
  slowestClock(own: number): number
  /** Ids of brokers; undefined: this one alone. */
  readonly placement: { readonly replicas: readonly string[]; readonly inSync: readonly string[] } | undefined
  close(error: PortalError): void
}

/** Of the only replica: written is committed. */
export const aloneCommitment: Commitment = {
  committedIndex: Number.POSITIVE_INFINITY,
  neededFrom: Number.POSITIVE_INFINITY,
  entryVersion: ENTRY_VERSION,
  cut: (group) => group,
  refusal: () => undefined,
  confirm: async () => {},
  slowestClock: (own) => own,
  placement: undefined,
  close: () => {},
}
