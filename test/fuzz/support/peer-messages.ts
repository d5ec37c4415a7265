import type { PeerService } from '../../../src/protocol/peer-service.js'
import { peerMethods } from '../../../src/protocol/wire/peer.js'
import type { PeerMethod } from '../../../src/protocol/wire/peer-method.js'
import { peerSamples } from '../../../src/transport/conformance/peer-samples.js'

/** Requests and answers of brokers that are as they should be. */
export const validPeerMessages: readonly Uint8Array[] = peerSamples.flatMap(({ method, request, answer }) => {
  const { encodeRequest, encodeAnswer } = codecOf(method)
  return [encodeRequest(request), encodeAnswer(answer)]
})

function codecOf(name: keyof PeerService): PeerMethod<object, unknown> {
  return peerMethods[name] as unknown as PeerMethod<object, unknown>
}
