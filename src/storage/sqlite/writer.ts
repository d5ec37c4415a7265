import { isPortalError, type PortalError } from '../../core/errors.js'
import type { Database, Statement } from './binding.js'
import { Checkpoints } from './checkpoints.js'
import type { RowChecksums } from './checksums.js'
import { CommitApplier } from './commit-applier.js'
import { isDurable } from './commit-packing.js'
import type { Synchronous } from './connection.js'
import { SpaceReclaimer } from './space-reclaimer.js'

/** What became of a commit of a group: applied, or refused with a reason. */
export type Outcome = PortalError | undefined

/** Writes groups of commits, each group as one transaction. */
export class Writer {
  readonly #db: Database
  readonly #applier: CommitApplier
  readonly #checkpoints: Checkpoints
  readonly #reclaimer: SpaceReclaimer
  readonly #begin: Statement
  readonly #commit: Statement
  readonly #rollback: Statement
  readonly #markClean: Statement
  readonly #synchronous: Synchronous
  #current: Synchronous

  constructor(db: Database, options: { checksums: RowChecksums; synchronous: Synchronous }) {
    this.#db = db
    this.#applier = new CommitApplier(db, options.checksums)
    this.#checkpoints = new Checkpoints(db)
    this.#reclaimer = new SpaceReclaimer(db, this.#applier.deletions)
    this.#begin = db.prepare('BEGIN IMMEDIATE')
    this.#commit = db.prepare('COMMIT')
    this.#rollback = db.prepare('ROLLBACK')
    this.#markClean = db.prepare("UPDATE properties SET value = ? WHERE name = 'clean'")
    this.#synchronous = options.synchronous
    this.#current = options.synchronous
  }

  /** Clears the mark of a clean shutdown, durably, and says whether it was there. */
  open(): { wasClean: boolean } {
    const clean = this.#db.prepare("SELECT value FROM properties WHERE name = 'clean'").pluck().get() === 1
    if (clean) this.#transaction(true, () => this.#markClean.run(0))
    return { wasClean: clean }
  }

  /**
   * Applies `commits` in order and returns what became of each, once they are as safe as the most demanding of them asks.
   * A commit that does not fit is left out, and the group begins again without it. Any other error is the storage's.
   */
  write(commits: readonly ArrayBuffer[]): Outcome[] {
    const outcomes: Outcome[] = commits.map(() => undefined)
    const durable = commits.some(isDurable)
    for (;;) {
      let at = 0
      try {
        this.#transaction(durable, () => {
          for (at = 0; at < commits.length; at++)
            if (outcomes[at] === undefined) this.#applier.apply(commits[at]!)
        })
        for (const { byteLength } of commits) this.#checkpoints.committed(byteLength)
        return outcomes
      } catch (error) {
        if (!isPortalError(error, 'INVALID_ARGUMENT')) throw error
        outcomes[at] = error
      }
    }
  }

  /** What is due after the replies have gone out. Returns whether it was. */
  checkpoint(): boolean {
    return this.#checkpoints.run()
  }

  /** What is free inside the file (bytes). */
  get reusableBytes(): number {
    return this.#reclaimer.freeBytes
  }

  /** The disk is short of room: so many bytes of the file are to be given back. */
  makeRoom(bytes: number): void {
    this.#checkpoints.run('restart')
    this.#reclaimer.makeRoom(bytes)
  }

  /** Whether rows wait to be removed, or space to be given back. */
  get hasMaintenance(): boolean {
    return this.#reclaimer.due
  }

  /** Some milliseconds of removing and giving back. */
  maintain(): void {
    this.#checkpoints.run(this.#transaction(false, () => this.#reclaimer.slice()))
  }

  /** Leaves everything in the database file, and the mark last: an error before it must not look like a clean end. */
  finish(): void {
    this.#checkpoints.finish()
    this.#transaction(true, () => this.#markClean.run(1))
  }

  close(): void {
    this.#db.close()
  }

  #transaction<T>(durable: boolean, work: () => T): T {
    this.#setSynchronous(durable ? this.#synchronous : 'normal')
    this.#begin.run()
    try {
      const result = work()
      this.#commit.run()
      return result
    } catch (error) {
      if (this.#db.inTransaction) this.#rollback.run()
      this.#applier.rolledBack()
      throw error
    }
  }

  /** By `pragma` each time: as a prepared statement it read back wrong. */
  #setSynchronous(wanted: Synchronous): void {
    if (wanted === this.#current) return
    this.#db.pragma(`synchronous = ${wanted}`)
    this.#current = wanted
  }
}
