/**
 * Changes the order within `sets` (broker ids, the first leads) until leadership is spread as evenly as they allow, with as few changes as that needs.
 * `leads`: how many partitions each broker leads by preference, those outside `sets` too; kept up to date. A broker that is not
 * in it neither gains nor loses any.
 *
 * Where a partition cannot move from the busiest broker to an idle one itself, a chain of moves does it: a → b, b → c.
 */
export function spreadLeaders(sets: readonly string[][], leads: Map<string, number>): void {
  for (;;) {
    const chain = findChain(sets, leads)
    if (chain === undefined) return
    for (const { set, to } of chain) {
      const from = set[0] ?? ''
      leads.set(from, (leads.get(from) ?? 0) - 1)
      leads.set(to, (leads.get(to) ?? 0) + 1)
      set.splice(set.indexOf(to), 1)
      set.unshift(to)
    }
  }
}

interface Step {
  readonly set: string[]
  readonly to: string
}

/** Moves that take one lead from a busy broker to one that has at least two fewer; undefined if there are none. */
function findChain(sets: readonly string[][], leads: ReadonlyMap<string, number>): Step[] | undefined {
  const led = new Map<string, string[][]>()
  for (const set of sets) {
    const [leader = ''] = set
    const others = led.get(leader)
    if (others) others.push(set)
    else led.set(leader, [set])
  }
  const least = Math.min(...leads.values())
  const busiest = [...leads].filter(([, count]) => count >= least + 2)
  busiest.sort(([a, one], [b, other]) => other - one || (a < b ? -1 : 1))
  for (const [start, count] of busiest) {
    const chain = searchFrom(start, count - 2, led, leads)
    if (chain) return chain
  }
  return undefined
}

/** Breadth first: the shortest chain from `start` to a broker that leads at most `most`. */
function searchFrom(
  start: string,
  most: number,
  led: ReadonlyMap<string, string[][]>,
  leads: ReadonlyMap<string, number>,
): Step[] | undefined {
  const chains = new Map<string, Step[]>([[start, []]])
  for (const [broker, chain] of chains) {
    for (const set of led.get(broker) ?? []) {
      for (const to of set) {
        const count = leads.get(to)
        if (count === undefined || chains.has(to)) continue
        const longer = [...chain, { set, to }]
        if (count <= most) return longer
        chains.set(to, longer)
      }
    }
  }
  return undefined
}
