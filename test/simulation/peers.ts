import type { PeerService } from '../../src/protocol/peer-service.js'
import type { CallOptions } from '../../src/protocol/service.js'
import { allPeerMethods } from '../../src/protocol/wire/peer.js'
import type { Calls } from './calls.js'
import type { Life } from './life.js'

/** Who watches what brokers say to each other: `broker` has answered, before anybody hears it. `bytes`: of request and answer. */
export type PeerWatcher = (
  broker: string,
  method: keyof PeerService,
  request: object,
  answer: unknown,
  bytes: number,
) => void

/** The broker `to`, as `from` reaches it: what is said crosses as bytes. */
export function peerOver<S extends { readonly peers: PeerService | undefined }>(
  calls: Calls<S>,
  { from, life, to }: { readonly from: string; readonly life: Life; readonly to: string },
  answered: PeerWatcher,
): PeerService {
  const remote: Record<string, unknown> = {}
  for (const [name, { encodeRequest, decodeRequest, encodeAnswer, decodeAnswer }] of allPeerMethods) {
    remote[name] = async (request: object, options?: CallOptions) => {
      // What is sent is what it was then.
      const sent = encodeRequest(request)
      const wait = 'wait' in request ? Number(request.wait) : 0
      const serve = async ({ peers }: S, signal: AbortSignal) => {
        const service = peers as unknown as Record<
          string,
          (request: object, call: CallOptions) => Promise<unknown>
        >
        const asked = decodeRequest(sent)
        const answer = await service[name]!(asked, { signal })
        const encoded = encodeAnswer(answer)
        answered(to, name, asked, answer, sent.length + encoded.length)
        return encoded
      }
      return decodeAnswer(await calls.call({ from, life, to, name, wait, signal: options?.signal, serve }))
    }
  }
  return remote as unknown as PeerService
}
