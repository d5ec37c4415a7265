import { abortedError, isPortalError, PortalError } from '../../../core/errors.js'
import type { PeerService } from '../../../protocol/peer-service.js'
import type { CallOptions } from '../../../protocol/service.js'
import { allPeerMethods } from '../../../protocol/wire/peer.js'
import { WIRE_TYPE } from '../../../protocol/wire/wire.js'
import { problemOf, unreachable } from './no-answer.js'
import type { Send } from './send.js'

export interface PeerClientOptions {
  readonly send: Send
  /** Sent with every request; what it throws is what the call rejects with. */
  readonly headers: () => Readonly<Record<string, string>>
  /** Milliseconds without an answer, beyond what the call itself waits, after which the broker counts as gone. */
  readonly timeout: number
}

/** Where brokers ask brokers: a method's name stands behind it. */
export const PEER_PATH = '/peer/v1/'
export const TYPES = { binary: WIRE_TYPE, json: 'application/json' } as const

/** Another broker of the cluster, over HTTP. Throws INVALID_ARGUMENT for what is no URL. */
export function peerClient(url: string, options: PeerClientOptions): PeerService {
  if (!URL.canParse(url))
    throw new PortalError(
      'INVALID_ARGUMENT',
      `A broker is said to be at '${url.slice(0, 100)}', which is no URL.`,
    )
  const { origin, pathname } = new URL(url)
  const prefix = pathname.replace(/\/+$/, '') + PEER_PATH
  const { send, timeout } = options
  const peer: Record<string, unknown> = {}
  for (const [name, method] of allPeerMethods) {
    peer[name] = async (request: { readonly wait?: number }, { signal }: CallOptions = {}) => {
      if (signal?.aborted) throw abortedError(`The call ${name}`, signal)
      const { wait = 0 } = request
      const sent = {
        method: 'POST',
        origin,
        path: prefix + name,
        headers: { ...options.headers(), 'content-type': TYPES[method.form] },
        body: method.encodeRequest(request),
        signal,
        waits: wait > 0,
        timeout: timeout + wait,
      }
      const { status, type, body } = await send(sent).catch((cause) => {
        throw signal?.aborted ? abortedError(`The call ${name}`, signal) : unreachable(url, cause)
      })
      if (status !== 200) throw problemOf(url, status, body)
      // A page that begins with any byte would be taken for a message of a later version.
      if (type !== TYPES[method.form])
        throw unreachable(url, new Error('what answers there is no broker of portal-mq'))
      return decoded(url, () => method.decodeAnswer(body))
    }
  }
  return peer as unknown as PeerService
}

/** What cannot be read is nothing that a broker has said: something between has answered, or cut it short. */
function decoded(url: string, decode: () => unknown): unknown {
  try {
    return decode()
  } catch (cause) {
    if (isPortalError(cause, 'UNSUPPORTED')) throw cause
    throw unreachable(url, cause)
  }
}
