import type { PeerService } from '../../protocol/peer-service.js'
import type { CallOptions } from '../../protocol/service.js'
import { pause } from '../../runtime/pause.js'
import type { Timers } from '../../runtime/runtime.js'
import { type CopyRoom, ROOM_LOOK } from './copy-room.js'
import type { Throttle } from './throttle.js'

/** A leader whose snapshot can be installed. */
export type SnapshotSource = Pick<PeerService, 'readSnapshot' | 'readBatches'>

/** A leader of whom no more is read than a throttle lets. */
export function throttledSource(leader: PeerService, throttle: Throttle, timers: Timers): SnapshotSource {
  const read = async <R extends { readonly maxBytes: number }, A>(
    ask: (request: R, call?: CallOptions) => Promise<A>,
    payloads: (answer: A) => readonly Uint8Array[],
    request: R,
    call?: CallOptions,
  ): Promise<A> => {
    const share = throttle.reserve(request.maxBytes)
    let came: readonly Uint8Array[] = []
    try {
      await pause(timers, throttle.delay(share), call?.signal)
      const answer = await ask({ ...request, maxBytes: share.bytes }, call)
      came = payloads(answer)
      return answer
    } finally {
      throttle.settle(share, came)
    }
  }
  return {
    readSnapshot: (request, call) =>
      read(leader.readSnapshot.bind(leader), ({ header, pages }) => [header, ...pages], request, call),
    readBatches: (request, call) =>
      read(
        leader.readBatches.bind(leader),
        ({ entries }) => entries.map(({ payload }) => payload),
        request,
        call,
      ),
  }
}

/** A source of which no messages are read while there is no room for them. */
export function roomySource(source: SnapshotSource, room: CopyRoom, timers: Timers): SnapshotSource {
  return {
    readSnapshot: source.readSnapshot,
    readBatches: async (request, call) => {
      while (!room.takes(0) && !call?.signal?.aborted) await pause(timers, ROOM_LOOK, call?.signal)
      const answer = await source.readBatches(request, call)
      for (const { payload } of answer.entries) room.takes(payload.length)
      return answer
    },
  }
}
