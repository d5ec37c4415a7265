/** What brokers have used so far; all of it only rises. */
export interface Usage {
  /** Calls to the coordination service that change something. */
  writes: number
  /** Calls that look: nodes and lists of children. */
  reads: number
  /** Requests to other brokers. */
  requests: number
  /** Those of them that are fetches. */
  fetches: number
  /** Bytes of requests to other brokers, and of their answers. */
  bytes: number
  /** Microseconds of processor time, of the simulation's own work for the broker, too. */
  processor: number
}

export function noUsage(): Usage {
  return { writes: 0, reads: 0, requests: 0, fetches: 0, bytes: 0, processor: 0 }
}

export function usedSince(before: Usage, now: Usage): Usage {
  return combine(now, before, (a, b) => a - b)
}

export function sumOf(all: Iterable<Usage>): Usage {
  let sum = noUsage()
  for (const usage of all) sum = combine(sum, usage, (a, b) => a + b)
  return sum
}

function combine(one: Usage, other: Usage, with_: (a: number, b: number) => number): Usage {
  const result = noUsage()
  for (const key of Object.keys(result) as (keyof Usage)[]) result[key] = with_(one[key], other[key])
  return result
}
