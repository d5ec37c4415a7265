import { spawn } from 'node:child_process'

/** Milliseconds between two looks. */
const TICK = 10
/** Less is the timer's own (ms). */
const NOISE = 5
/** How many hand-overs from one process to the next, one after the other, what is timed is made of: each may be kept waiting as long. */
const HAND_OVERS = 10

/** Says on its standard output whenever it was kept waiting, in milliseconds. Ends with its parent. */
const PROGRAM = `
let last = performance.now()
setInterval(() => {
  const now = performance.now()
  const late = now - last - ${TICK}
  last = now
  if (late > ${NOISE}) process.stdout.write(late + '\\n')
}, ${TICK})
process.stdin.on('close', () => process.exit()).resume()`

interface Stall {
  /** When it was over (monotonic). */
  readonly at: number
  /** Milliseconds. */
  readonly late: number
}

/**
 * How long a process that does nothing is kept waiting for a processor, and how long this one is: what a busy machine adds to whatever is timed
 * beside it. On a quiet one that is next to nothing, and promises are held to their figures.
 */
export class Stalls {
  readonly #elsewhere: Stall[] = []
  readonly #here: Stall[] = []
  readonly #child = spawn(process.execPath, ['-e', PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'] })
  readonly #timer: NodeJS.Timeout

  constructor() {
    this.#child.stdin.on('error', () => {})
    this.#child.stdout.on('data', (chunk) => {
      const at = performance.now()
      for (const line of String(chunk).split('\n')) if (line) this.#elsewhere.push({ at, late: Number(line) })
    })
    let last = performance.now()
    this.#timer = setInterval(() => {
      const now = performance.now()
      const late = now - last - TICK
      last = now
      if (late > NOISE) this.#here.push({ at: now, late })
    }, TICK)
  }

  /**
   * Milliseconds to be allowed for what is timed between two moments: once, for it may have met the longest stall, or often, of which the quantile
   * `q` counts.
   */
  allowance(since: number, end: number, q = 1): number {
    const ticks = Math.max(1, Math.floor((end - since) / TICK))
    const each = [this.#elsewhere, this.#here].map((stalls) => {
      const late = stalls.filter(({ at }) => at >= since && at <= end).map((stall) => stall.late)
      // All other ticks were in time.
      const rank = Math.max(0, Math.ceil((1 - q) * ticks) - 1)
      return late.sort((a, b) => b - a)[rank] ?? 0
    })
    return HAND_OVERS * Math.max(...each)
  }

  close(): void {
    clearInterval(this.#timer)
    this.#child.stdin.end()
  }
}
