import type { StoredEntry } from '../../core/entry.js'
import type { PortalError } from '../../core/errors.js'
import type { Write } from '../../storage/storage.js'
import type { CommitGroup } from '../committer.js'
import type { Cut } from '../cut.js'

/** The leader whose partition is cut. */
interface CutLeader {
  appended(entries: readonly StoredEntry[]): void
  durable(index: number): void
  whenCommitted(index: number, callback: () => void, failed?: (error: PortalError) => void): void
}

/** A cut whose callbacks wait until those in sync have the entries. */
export class ReplicatedCut implements Cut {
  readonly #group: CommitGroup
  readonly #leading: CutLeader
  readonly #next: () => number

  constructor(group: CommitGroup, leading: CutLeader, next: () => number) {
    this.#group = group
    this.#leading = leading
    this.#next = next
  }

  get isFull(): boolean {
    return this.#group.isFull
  }

  get bytes(): number {
    return this.#group.bytes
  }

  set bytes(bytes: number) {
    this.#group.bytes = bytes
  }

  get durable(): boolean {
    return this.#group.durable
  }

  set durable(durable: boolean) {
    this.#group.durable = durable
  }

  add(write: Write, bytes: number): void {
    this.#group.add(write, bytes)
    if (write.type !== 'append') return
    // Followers fsync every kind of entry, and so does the leader: all of it counts.
    this.#group.durable = true
    this.#leading.appended(write.entries)
    const end = write.entries.at(-1)!.index + 1
    this.#group.onCommitted(() => this.#leading.durable(end))
  }

  onStored(callback: () => void, failed?: (error: PortalError) => void): void {
    this.#group.onCommitted(callback, failed)
  }

  onCommitted(callback: () => void, failed?: (error: PortalError) => void): void {
    this.#leading.whenCommitted(this.#next(), callback, failed)
    // What rests on earlier entries alone may be committed already.
    this.#group.onCommitted(() => this.#leading.durable(0))
  }
}
