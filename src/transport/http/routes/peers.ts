import type { PeerService } from '../../../protocol/peer-service.js'
import type { CallOptions } from '../../../protocol/service.js'
import { allPeerMethods } from '../../../protocol/wire/peer.js'
import { PEER_PATH, TYPES } from '../client/peer-client.js'
import { binary } from '../exchange.js'
import type { Route } from '../route.js'

/** Documents of a whole cluster fit in, and the largest message that a client may send. */
const BODY_BYTES = 256 << 20

/** What brokers of one cluster ask each other. No description names these routes: they are no part of what clients are promised. */
export function peerRoutes(peers: PeerService): readonly Route[] {
  return allPeerMethods.map(([name, method]) => ({
    method: 'POST',
    path: PEER_PATH + name,
    id: `peer.${name}`,
    tag: 'Brokers',
    summary: 'For brokers of the same cluster.',
    body: { [TYPES[method.form]]: undefined },
    bodyBytes: BODY_BYTES,
    answers: {},
    async handle(context) {
      const request = method.decodeRequest(await context.bytes())
      const call = peers[name] as (request: object, call: CallOptions) => Promise<unknown>
      const answer = await call.call(peers, request, { signal: context.call.signal })
      return binary(TYPES[method.form], method.encodeAnswer(answer))
    },
  }))
}
