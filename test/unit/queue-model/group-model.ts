/** Where a message stands for one group, in the plainest words. */
export interface Standing {
  place: 'available' | 'leased' | 'waiting' | 'dying' | 'settled'
  failures: number
  suspect: boolean
  due: number
  /** Which lease holds it. */
  token: string
  /** Its place in the line of the dying. */
  sequence: number
}

/** What a Queue must behave like: one standing for each offset, and nothing clever. */
export class GroupModel {
  readonly generation: number
  readonly start: number
  readonly messages = new Map<number, Standing>()

  constructor(generation: number, start: number) {
    this.generation = generation
    this.start = start
  }

  append(offset: number): void {
    this.messages.set(offset, fresh())
  }

  at(offset: number): Standing {
    const standing = this.messages.get(offset)
    if (!standing) throw new Error(`The model has no message ${offset}.`)
    return standing
  }

  /** Offsets that stand so, rising. */
  where(test: (standing: Standing) => boolean): number[] {
    return [...this.messages]
      .filter(([, standing]) => test(standing))
      .map(([offset]) => offset)
      .sort((a, b) => a - b)
  }

  count(place: Standing['place']): number {
    return this.where((standing) => standing.place === place).length
  }

  /** What could be leased at `now`, suspects apart. */
  deliverable(now: number): number[] {
    return this.where(
      ({ place, suspect, due }) => !suspect && (place === 'available' || (place === 'waiting' && due <= now)),
    )
  }

  heldBy(token: string): number[] {
    return this.where((standing) => standing.place === 'leased' && standing.token === token)
  }

  lease(offset: number, token: string, now: number): void {
    const standing = this.at(offset)
    const legal = standing.place === 'available' || (standing.place === 'waiting' && standing.due <= now)
    if (!legal) throw new Error(`Offset ${offset} is ${standing.place}, it cannot be leased.`)
    standing.place = 'leased'
    standing.token = token
  }

  settle(offset: number): void {
    this.messages.set(offset, { ...fresh(), place: 'settled' })
  }

  fail(offset: number, due: number): void {
    const standing = this.at(offset)
    standing.failures++
    standing.place = 'waiting'
    standing.due = due
  }

  die(offset: number, sequence: number): void {
    const standing = this.at(offset)
    standing.failures++
    standing.place = 'dying'
    standing.sequence = sequence
  }

  giveBack(offset: number, suspect: boolean): void {
    const standing = this.at(offset)
    standing.place = 'available'
    standing.suspect ||= suspect
  }
}

function fresh(): Standing {
  return { place: 'available', failures: 0, suspect: false, due: 0, token: '', sequence: -1 }
}
