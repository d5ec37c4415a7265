import type { Ledger } from './ledger.js'

/** The longest time between two sends' acknowledgements in any partition, from `since` to `end` (ms). */
export function longestOutage(ledger: Ledger, partitions: number, since: number, end: number): number {
  let longest = 0
  for (let partition = 0; partition < partitions; partition++) {
    let last = since
    for (const { partition: of, at } of ledger.acknowledgements) {
      if (of !== partition || at < since || at > end) continue
      longest = Math.max(longest, at - last)
      last = at
    }
    longest = Math.max(longest, end - last)
  }
  return longest
}
