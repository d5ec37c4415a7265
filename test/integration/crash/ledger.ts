/** What the children of a crash test said, in the order in which they said it, and what may never be. */
export class CrashLedger {
  /** Number -> offset. */
  readonly sent = new Map<number, number>()
  readonly #acked = new Map<string, Set<number>>()
  readonly violations: string[] = []
  deliveries = 0

  hear(line: string): void {
    const [what, ...rest] = line.split(' ')
    if (what === 'sent') this.#heardSent(Number(rest[0]), Number(rest[1]))
    else if (what === 'got') this.#heardGot(rest[0]!, Number(rest[1]))
    else if (what === 'acked') this.acked(rest[0]!).add(Number(rest[1]))
  }

  acked(group: string): Set<number> {
    let acked = this.#acked.get(group)
    if (!acked) {
      acked = new Set()
      this.#acked.set(group, acked)
    }
    return acked
  }

  #heardSent(number: number, offset: number): void {
    if (this.sent.has(number)) this.violations.push(`send ${number} was acknowledged twice`)
    this.sent.set(number, offset)
  }

  #heardGot(group: string, number: number): void {
    this.deliveries++
    if (this.acked(group).has(number))
      this.violations.push(`${number} was delivered to ${group} after its ack`)
  }
}
