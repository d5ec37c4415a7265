import { RecordBatchView } from '../../core/record-batch-view.js'
import type { BrokerService, CallOptions, ReadResponse } from '../../protocol/service.js'
import { toMessageOutput } from './message-json.js'

/** How long a read sleeps before a comment shows that the stream lives (ms). */
const HEARTBEAT = 15_000
const READ_BYTES = 256 * 1024

interface Arrival {
  readonly partition: number
  readonly response: ReadResponse
}

/**
 * Server-sent events of what is in a topic's partitions from `starts` on, and of what comes; it ends with the call's signal. Each event's
 * id says where every partition goes on.
 */
export async function* follow(
  service: BrokerService,
  topicId: string,
  starts: ReadonlyMap<number, number>,
  call: CallOptions,
): AsyncGenerator<string, void, undefined> {
  const offsets = new Map(starts)
  const reads = new Map<number, Promise<Arrival>>()
  const read = async (partition: number): Promise<Arrival> => {
    const offset = offsets.get(partition)!
    const request = { topicId, partition, offset, maxBytes: READ_BYTES, wait: HEARTBEAT }
    return { partition, response: await service.read(request, call) }
  }
  yield ': hello\n\n'
  while (!call.signal?.aborted) {
    for (const partition of offsets.keys()) {
      if (!reads.has(partition)) reads.set(partition, unawaited(read(partition)))
    }
    let arrival: Arrival
    try {
      arrival = await Promise.race(reads.values())
    } catch {
      // The caller has gone, the topic or the broker has: the caller comes again and hears why.
      return
    }
    reads.delete(arrival.partition)
    yield eventsOf(arrival, offsets) || ': still here\n\n'
  }
}

/** Reads of several partitions may fail at the same time, and only the first failure is looked at. */
function unawaited<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  return promise
}

/** An arrival as events; the offsets go on with them, not before: an id must not name what was not sent yet. */
function eventsOf({ partition, response }: Arrival, offsets: Map<number, number>): string {
  const from = offsets.get(partition)!
  const events: string[] = []
  for (const { baseOffset, records } of response.batches) {
    const view = new RecordBatchView(records)
    for (let at = Math.max(0, from - baseOffset); at < view.count; at++) {
      offsets.set(partition, baseOffset + at + 1)
      const data = JSON.stringify(toMessageOutput(view, at, partition, baseOffset + at))
      events.push(`id: ${eventId(offsets)}\ndata: ${data}\n\n`)
    }
  }
  offsets.set(partition, response.nextOffset)
  return events.join('')
}

function eventId(offsets: ReadonlyMap<number, number>): string {
  return [...offsets].map(([partition, offset]) => `${partition}:${offset}`).join(',')
}
