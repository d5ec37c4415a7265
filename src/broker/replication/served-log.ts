import type { StoredEntry } from '../../core/entry.js'
import { epochEnd, matches } from '../../core/epochs.js'
import type { FetchPosition, FetchResult } from '../../protocol/peer-service.js'
import type { Storage } from '../../storage/storage.js'
import { type DamageHost, ledRead } from '../led-read.js'
import { RecentEntries } from './recent-entries.js'

export interface ServedLogHost extends DamageHost {
  readonly storage: Storage
}

/** A log that is led, as followers need it. */
export interface FollowedLog {
  readonly log: string
  /** Flat pairs (epoch, first index). */
  readonly epochs: readonly number[]
  /** The index that the next entry gets. */
  readonly next: () => number
  readonly logStart: () => number
}

/** What is answered for one partition. */
export type Fetched = FetchResult extends infer R
  ? R extends unknown
    ? Omit<R, 'topicId' | 'partition'>
    : never
  : never

/** What goes along with entries, or alone if a follower does not know it yet. */
export interface News {
  readonly highWatermark: number
  readonly round: number
  readonly documentVersion: number
}

/** The log that followers copy: where theirs part from it, and what comes next. */
export class ServedLog {
  readonly #host: ServedLogHost
  readonly #log: FollowedLog
  readonly #recent = new RecentEntries()

  constructor(host: ServedLogHost, log: FollowedLog) {
    this.#host = host
    this.#log = log
  }

  appended(entries: readonly StoredEntry[]): void {
    this.#recent.push(entries)
  }

  /** Where the logs part; undefined if all that the follower has is in this log. */
  divergence({ next, lastEpoch }: FetchPosition): Fetched | undefined {
    const { epochs } = this.#log
    const end = this.#log.next()
    if (next <= end && matches(epochs, end, { next, lastEpoch })) return undefined
    return { type: 'diverged', ...epochEnd(epochs, end, lastEpoch) }
  }

  /** What a follower that stands there gets; undefined: there is nothing for it now. */
  async read(position: FetchPosition, maxBytes: number, news: () => News): Promise<Fetched | undefined> {
    const { next } = position
    const end = this.#log.next()
    if (next < this.#log.logStart()) return { type: 'behind' }
    if (next === end) {
      const { highWatermark, round, documentVersion } = news()
      const isNews =
        position.highWatermark < highWatermark ||
        (position.round ?? round) < round ||
        (position.documentVersion ?? documentVersion) < documentVersion
      return isNews ? { type: 'entries', entries: [], highWatermark, round, documentVersion } : undefined
    }
    const recent = this.#recent.from(next, maxBytes)
    const entries = recent ?? (await this.#readStored(next, end, maxBytes))
    if (entries[0]?.index !== next) return { type: 'behind' }
    return { type: 'entries', entries: dense(entries), ...news() }
  }

  #readStored(from: number, to: number, maxBytes: number): Promise<StoredEntry[]> {
    const { log } = this.#log
    return ledRead(this.#host, log, this.#host.storage.read(log, { from, to, maxBytes }))
  }
}

/** The entries up to the first hole. */
function dense(entries: readonly StoredEntry[]): readonly StoredEntry[] {
  const first = entries[0]!.index
  const end = entries.findIndex((entry, at) => entry.index !== first + at)
  return end < 0 ? entries : entries.slice(0, end)
}
