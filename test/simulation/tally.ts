import type { Measured } from './measured.js'

/** Adds up what became of many histories. */
export class Tally {
  #passed = 0
  readonly #failed: string[] = []
  /** Of those that nobody has seen before. */
  readonly #failedFresh: string[] = []
  #fresh = 0
  readonly #tolerated: number
  #steps = 0
  /** Milliseconds: of virtual time, of real time in all processes, of processor time. */
  #virtual = 0
  #real = 0
  #processor = 0
  readonly #began = performance.now()
  readonly #counts = new Map<string, number>()
  /** Of those that are run twice: what became of them the first time. */
  readonly #once = new Map<string, Measured>()

  /** `tolerated`: the share of fresh histories that may fail and count as open. */
  constructor(tolerated = 0) {
    this.#tolerated = tolerated
  }

  /** How many count as failures. */
  get failed(): number {
    return this.#failed.length + (this.#isTolerable ? 0 : this.#failedFresh.length)
  }

  get #isTolerable(): boolean {
    return this.#failedFresh.length <= this.#tolerated * this.#fresh
  }

  /** Returns what there is to say of it. One that `comesTwice` must be the same both times, and counts once. */
  add(outcome: Measured, comesTwice: boolean): string[] {
    const { cast, seed, steps, taken, milliseconds, real, processor, error, hash } = outcome
    const name = `${cast} seed ${seed}`
    this.#steps += taken
    this.#virtual += milliseconds
    this.#real += real
    this.#processor += processor
    for (const [what, count] of Object.entries(outcome.counts))
      this.#counts.set(`${cast}: ${what}`, (this.#counts.get(`${cast}: ${what}`) ?? 0) + count)
    const speed = `${seconds(milliseconds)} s in ${seconds(real)} s: ${ratio(milliseconds, real)} × real time`
    const said = [`${name}, ${taken} steps, ${hash}: ${speed}${error === undefined ? '' : ', FAILED'}`]
    const key = `${name} ${steps}`
    const before = this.#once.get(key)
    if (comesTwice && before === undefined) {
      // The second may end first: they run side by side.
      this.#once.set(key, outcome)
      return said
    }
    this.#once.delete(key)
    const isSame = before === undefined || before.hash === hash
    if (!isSame) said.push(`${name} is not the same twice: ${before.hash}, ${hash}`)
    if (!comesTwice) this.#fresh++
    if (isSame && (before?.error ?? error) === undefined) this.#passed++
    else (comesTwice ? this.#failed : this.#failedFresh).push(name)
    return said
  }

  summary(): string {
    const counts = [...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1))
    const [failed, open] = this.#isTolerable
      ? [this.#failed, this.#failedFresh]
      : [[...this.#failed, ...this.#failedFresh], []]
    const passed = performance.now() - this.#began
    return [
      counts.map(([what, count]) => `${what} ${count}`).join(', '),
      `${this.#steps} steps, ${seconds(this.#virtual)} s of virtual time in ${seconds(passed)} s: ${ratio(this.#virtual, passed)} × real time,` +
        ` ${ratio(this.#virtual, this.#real)} × in each process, ${ratio(this.#virtual, this.#processor)} × processor time`,
      `${this.#passed} histories passed, ${failed.length} failed${list(failed)}, ${open.length} open${list(open)}`,
    ].join('\n')
  }

  /** As vitest's JSON reporter counts. */
  asTests(): object {
    return { numPassedTests: this.#passed, numFailedTests: this.failed, testResults: [] }
  }
}

function list(names: readonly string[]): string {
  return names.length > 0 ? ` (${names.join(', ')})` : ''
}

function seconds(milliseconds: number): string {
  return (milliseconds / 1_000).toFixed(milliseconds < 100_000 ? 1 : 0)
}

function ratio(virtual: number, real: number): number {
  return Math.round(virtual / real)
}
