import type { PeerService } from '../../src/protocol/peer-service.js'
import type { CallOptions } from '../../src/protocol/service.js'
import type { Calls } from './calls.js'
import { copyMessage } from './copy-message.js'
import type { Life } from './life.js'

export type PeerMethod = keyof PeerService
type PeerRequest<M extends PeerMethod> = Parameters<PeerService[M]>[0]
type PeerAnswer<M extends PeerMethod> = Awaited<ReturnType<PeerService[M]>>

/** Who watches what brokers say to each other: `broker` has answered, before anybody hears it. */
export type PeerWatcher = <M extends PeerMethod>(
  broker: string,
  method: M,
  request: PeerRequest<M>,
  answer: PeerAnswer<M>,
) => void

/** The broker `to`, as `from` reaches it. */
export function peerOver<S extends { readonly peers: PeerService | undefined }>(
  calls: Calls<S>,
  { from, life, to }: { readonly from: string; readonly life: Life; readonly to: string },
  answered: PeerWatcher,
): PeerService {
  function method<M extends PeerMethod>(name: M) {
    return (request: PeerRequest<M>, options?: CallOptions): Promise<PeerAnswer<M>> => {
      // What is sent is what it was then.
      const sent = copyMessage(request)
      const wait = 'wait' in request ? request.wait : 0
      const serve = async ({ peers }: S, signal: AbortSignal): Promise<PeerAnswer<M>> => {
        const service = peers! as unknown as Record<
          M,
          (request: PeerRequest<M>, call: CallOptions) => Promise<PeerAnswer<M>>
        >
        const answer = copyMessage<PeerAnswer<M>>(await service[name](copyMessage(sent), { signal }))
        answered(to, name, sent, answer)
        return answer
      }
      return calls.call<PeerAnswer<M>>({ from, life, to, name, wait, signal: options?.signal, serve })
    }
  }
  return {
    fetch: method('fetch'),
    readSnapshot: method('readSnapshot'),
    readBatches: method('readBatches'),
    update: method('update'),
    handOver: method('handOver'),
    append: method('append'),
  }
}
