/** A promise of the product that did not hold. The simulation stops at the first. */
export class Violation extends Error {
  constructor(what: string) {
    super(what)
    this.name = 'Violation'
  }
}

export function check(holds: boolean, what: () => string): void {
  if (!holds) throw new Violation(what())
}
