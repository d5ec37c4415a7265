import type { BatchDirectory } from './batch-directory.js'
import type { OffsetSet } from './offset-set.js'
import type { Queue } from './queue.js'
import { pushRange } from './ranges.js'

/**
 * Chooses what to lease next from one queue, without changing it: several consumers are served from one chooser and no
 * message is chosen twice. Retries whose time has come go first, then what was given back, then fresh messages.
 */
export class Chooser {
  readonly #queue: Queue
  readonly #directory: BatchDirectory
  readonly #end: number
  readonly #ready: OffsetSet
  readonly #readySuspects: OffsetSet
  #readyFrom = 0
  #freeFrom = 0
  #suspectFrom = 0
  #readySuspectFrom = 0
  #freshFrom: number
  #left: number
  /** Where the last run came from. */
  #source: 'ready' | 'free' | 'fresh' = 'ready'

  /** `ready`, `readySuspects`: waiting messages whose time has come. `end`: the end of the log. */
  constructor(
    queue: Queue,
    directory: BatchDirectory,
    end: number,
    ready: OffsetSet,
    readySuspects: OffsetSet,
  ) {
    this.#queue = queue
    this.#directory = directory
    this.#end = end
    this.#ready = ready
    this.#readySuspects = readySuspects
    this.#freshFrom = queue.cursor
    this.#left = ready.size + queue.free.size + queue.fresh(end)
  }

  /** How many messages are left to choose, suspects apart. */
  get left(): number {
    return this.#left
  }

  /** At most `max` messages of about `maxBytes` together, but one at least if there is one: flat rising ranges. */
  take(max: number, maxBytes: number): number[] {
    const runs: [number, number][] = []
    let messages = Math.min(max, this.#left)
    let bytes = maxBytes
    while (messages > 0) {
      const run = this.#nextRun(messages)
      if (!run) break
      const [start, end] = run
      const fit = this.#fit(start, end, bytes, runs.length === 0)
      if (fit.end > start) runs.push([start, fit.end])
      bytes -= fit.bytes
      messages -= fit.end - start
      this.#left -= fit.end - start
      this.#advance(fit.end)
      if (fit.end < end) break
    }
    runs.sort((a, b) => a[0] - b[0])
    const ranges: number[] = []
    for (const [start, end] of runs) pushRange(ranges, start, end)
    return ranges
  }

  /** One suspect; it goes alone. */
  takeSuspect(): number | undefined {
    const ready = this.#readySuspects.next(this.#readySuspectFrom)
    if (ready >= 0) {
      this.#readySuspectFrom = ready + 1
      return ready
    }
    const offset = this.#queue.suspects.next(this.#suspectFrom)
    if (offset < 0) return undefined
    this.#suspectFrom = offset + 1
    return offset
  }

  #nextRun(max: number): [number, number] | undefined {
    const ready = this.#ready.next(this.#readyFrom)
    if (ready >= 0) return this.#run('ready', ready, this.#ready.nextMissing(ready), max)
    const free = this.#queue.free.next(this.#freeFrom)
    if (free >= 0) return this.#run('free', free, this.#queue.free.nextMissing(free), max)
    const fresh = this.#queue.settled.nextMissing(this.#freshFrom)
    if (fresh >= this.#end) return undefined
    const settled = this.#queue.settled.next(fresh)
    return this.#run('fresh', fresh, settled < 0 ? this.#end : Math.min(settled, this.#end), max)
  }

  #run(source: 'ready' | 'free' | 'fresh', start: number, end: number, max: number): [number, number] {
    this.#source = source
    return [start, Math.min(end, start + max)]
  }

  #advance(to: number): void {
    if (this.#source === 'ready') this.#readyFrom = to
    else if (this.#source === 'free') this.#freeFrom = to
    else this.#freshFrom = to
  }

  /** How far a run goes before it passes `budget` bytes. */
  #fit(start: number, end: number, budget: number, atLeastOne: boolean): { end: number; bytes: number } {
    let at = start
    let bytes = 0
    this.#directory.walk(start, (place) => {
      if (place.baseOffset >= end) return false
      const each = place.bytes / place.count
      const wanted = Math.min(end, place.baseOffset + place.count) - at
      const room = Math.floor((budget - bytes) / each)
      const taken = Math.min(wanted, Math.max(room, atLeastOne && at === start ? 1 : 0))
      at += taken
      bytes += taken * each
      return taken === wanted && at < end
    })
    return { end: at, bytes }
  }
}
