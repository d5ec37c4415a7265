import { type Connection, Reader } from '../../../index.js'
import type { Reading } from '../ledger.js'

/** How often each reading of this run is in the logs, by `topic/number`: all that is committed, read from the first offset to the last. */
export async function readLogs(
  connection: Connection,
  topics: readonly string[],
  run: string,
): Promise<Map<string, number>> {
  const found = new Map<string, number>()
  for (const topic of topics) {
    const reader = new Reader<Reading>(connection, topic, { from: 'earliest' })
    for await (const { value } of reader) {
      if (value.run !== run) continue
      const reading = `${topic}/${value.number}`
      found.set(reading, (found.get(reading) ?? 0) + 1)
    }
  }
  return found
}
