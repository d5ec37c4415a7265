import { ByteWriter } from '../../../src/core/bytes.js'
import type { PartitionState } from '../../../src/core/partition-state.js'
import type { Queue } from '../../../src/core/queue.js'

/** Everything that a state says, as plain data: two states that dump alike behave alike. */
export function dumpState(state: PartitionState, ids: Iterable<string>): unknown {
  const places: unknown[] = []
  state.directory.walk(0, (place) => {
    places.push([place.index, place.baseOffset, place.count, place.bytes, place.appendTime])
    return true
  })
  const producers = new ByteWriter()
  state.producers.encode(producers)
  return {
    next: [state.nextIndex, state.lastEpoch, state.nextOffset],
    times: [state.appendTime, state.safeTime],
    epochs: state.epochs,
    places,
    sums: [state.directory.bytes, state.directory.batches, state.directory.messages],
    firstOffset: state.directory.firstOffset,
    producers: [...producers.finish()],
    dedupe: [state.dedupe.size, state.dedupeLimits, [...ids].map((id) => state.dedupe.find(id))],
    answers: [...state.answers],
    queues: [...state.queues.values()].map(dumpQueue),
  }
}

function dumpQueue(queue: Queue): unknown {
  return {
    name: [queue.group, queue.generation, queue.start],
    cursor: queue.cursor,
    floor: queue.floor,
    sets: [queue.settled.ranges(), queue.free.ranges(), queue.suspects.ranges()],
    troubles: [...queue.troubles].sort((a, b) => a[0] - b[0]),
    leases: [...queue.leases]
      .sort((a, b) => a[0] - b[0])
      .map(([number, lease]) => ({
        number,
        key: lease.key,
        consumer: lease.consumer,
        local: lease.local,
        size: lease.size,
        terms: lease.terms.map((term) => [term.duration, term.offsets.ranges()]),
      })),
    held: [...queue.held].sort(byName),
    suspectsHeld: [...queue.suspectsHeld].sort(byName),
    counts: { ...queue.counts },
    sums: [queue.leased, queue.waiting, queue.dying, queue.nextDyingSequence],
  }
}

function byName(a: [string, number], b: [string, number]): number {
  return a[0] < b[0] ? -1 : 1
}
