import type { Database } from './binding.js'

/**
 * Keeps the write-ahead log short. Runs after replies have gone out: what a checkpoint costs, nobody waits for who has
 * not sent more in the meantime.
 *
 * It is due after so many bytes of commits: that is what it has to copy. Small commits write the same few pages again
 * and again, which cost it little; they may fill the log further, so that fewer of them meet a checkpoint.
 *
 * A PASSIVE checkpoint does not wait for readers, but while one reads, the log cannot start anew from its beginning.
 * Under a reader that always comes back it would grow for ever; past the limit a RESTART waits for readers to leave,
 * which takes them milliseconds: their transactions are one read each.
 */
const AFTER_COMMITTED_BYTES = 1024 * 1024
const AFTER_LOG_BYTES = 4 * 1024 * 1024
const LOG_LIMIT_BYTES = 16 * 1024 * 1024

/** If one is due, at once, or so that the log begins anew even under readers. */
export type CheckpointTime = 'due' | 'now' | 'restart'

interface CheckpointResult {
  readonly busy: number
  /** Pages in the log. */
  readonly log: number
  /** Those of them that are in the database file too. */
  readonly checkpointed: number
}

export class Checkpoints {
  readonly #db: Database
  readonly #pageSize: number
  #committedBytes = 0

  constructor(db: Database) {
    this.#db = db
    this.#pageSize = db.pragma('page_size', { simple: true }) as number
  }

  committed(bytes: number): void {
    this.#committedBytes += bytes
  }

  /** Returns whether there was one. Throws what SQLite throws: the storage has failed then. */
  run(when: CheckpointTime = 'due'): boolean {
    const { log, checkpointed } = this.#checkpoint('NOOP')
    const waiting = (log - checkpointed) * this.#pageSize
    const overLimit = log * this.#pageSize > LOG_LIMIT_BYTES
    if (
      this.#committedBytes < AFTER_COMMITTED_BYTES &&
      waiting < AFTER_LOG_BYTES &&
      when === 'due' &&
      !overLimit
    )
      return false
    this.#committedBytes = 0
    this.#checkpoint(overLimit || when === 'restart' ? 'RESTART' : 'PASSIVE')
    return true
  }

  /** Moves everything into the database and empties the log. */
  finish(): void {
    this.#checkpoint('TRUNCATE')
  }

  #checkpoint(mode: 'NOOP' | 'PASSIVE' | 'RESTART' | 'TRUNCATE'): CheckpointResult {
    return (this.#db.pragma(`wal_checkpoint(${mode})`) as CheckpointResult[])[0]!
  }
}
