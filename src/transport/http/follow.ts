import { RecordBatchView } from '../../core/record-batch-view.js'
import type { BrokerService } from '../../protocol/service.js'
import { toMessageOutput } from './message-json.js'

/** How long a read sleeps before a comment shows that the stream lives (ms). */
const HEARTBEAT = 15_000
const READ_BYTES = 256 * 1024

interface Arrival {
  readonly partition: number
  readonly text: string
}

/**
 * Server-sent events of what is in a topic's partitions from `starts` on, and of what comes; it ends with the signal. Each event's id says
 * where every partition goes on.
 */
export async function* follow(
  service: BrokerService,
  topicId: string,
  starts: ReadonlyMap<number, number>,
  signal: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  const offsets = new Map(starts)
  const reads = new Map<number, Promise<Arrival>>()
  yield ': hello\n\n'
  while (!signal.aborted) {
    for (const partition of offsets.keys()) {
      if (!reads.has(partition)) reads.set(partition, readSome(service, topicId, partition, offsets, signal))
    }
    let arrival: Arrival
    try {
      arrival = await Promise.race(reads.values())
    } catch {
      // The caller has gone, the topic or the broker has: the caller comes again and hears why.
      return
    }
    reads.delete(arrival.partition)
    yield arrival.text === '' ? ': still here\n\n' : arrival.text
  }
}

async function readSome(
  service: BrokerService,
  topicId: string,
  partition: number,
  offsets: Map<number, number>,
  signal: AbortSignal,
): Promise<Arrival> {
  const from = offsets.get(partition)!
  const request = { topicId, partition, offset: from, maxBytes: READ_BYTES, wait: HEARTBEAT }
  const { batches, nextOffset } = await service.read(request, { signal })
  const events: string[] = []
  for (const { baseOffset, records } of batches) {
    const view = new RecordBatchView(records)
    for (let at = Math.max(0, from - baseOffset); at < view.count; at++) {
      offsets.set(partition, baseOffset + at + 1)
      const data = JSON.stringify(toMessageOutput(view, at, partition, baseOffset + at))
      events.push(`id: ${eventId(offsets)}\ndata: ${data}\n\n`)
    }
  }
  offsets.set(partition, nextOffset)
  return { partition, text: events.join('') }
}

function eventId(offsets: ReadonlyMap<number, number>): string {
  return [...offsets].map(([partition, offset]) => `${partition}:${offset}`).join(',')
}
