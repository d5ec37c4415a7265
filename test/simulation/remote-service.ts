import type {
  BrokerService,
  CallOptions,
  ReceiveResponse,
  StreamRequest,
} from '../../src/protocol/service.js'
import type { CallSignal } from '../../src/runtime/call-signal.js'
import type { Calls } from './calls.js'
import { copyMessage } from './copy-message.js'
import type { Life } from './life.js'

/** Methods that take nothing but options. */
const BARE = new Set<string>(['listTopics', 'describeCluster', 'metrics', 'checkReady'])
/** A stream says at least so often (ms) that it lives: whoever hears nothing for longer gives it up. */
const QUIET = 15_000

interface Route {
  readonly from: string
  readonly life: Life
  readonly to: string
}

/** The broker `to`, as `from` reaches it: for clients, or for a broker that passes calls on. */
export function serviceOver<S extends { readonly service: BrokerService }>(
  calls: Calls<S>,
  route: Route,
  options: { readonly forwarded: boolean },
): BrokerService {
  const unary = (name: string) => (request: unknown, given?: CallOptions) => {
    const sent = copyMessage(request)
    const wait =
      typeof request === 'object' && request !== null && 'wait' in request ? Number(request.wait) : 0
    const serve = async ({ service }: S, signal: AbortSignal) => {
      const call = { signal, forwarded: options.forwarded }
      const method = (service as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>)[name]!
      return copyMessage(await method.call(service, ...(BARE.has(name) ? [call] : [copyMessage(sent), call])))
    }
    return calls.call({ ...route, name, wait, signal: given?.signal, serve })
  }
  const target = {
    receiveStream: (request: StreamRequest, given?: CallOptions) =>
      streamOver(calls, route, copyMessage(request), { signal: given?.signal, ...options }),
  }
  return new Proxy(target, {
    get: (own, name: string) => {
      if (name in own) return own[name as keyof typeof own]
      if (BARE.has(name)) return (given?: CallOptions) => unary(name)(undefined, given)
      return unary(name)
    },
  }) as unknown as BrokerService
}

/** Piece by piece, in order; one that is lost ends it for both sides. */
async function* streamOver<S extends { readonly service: BrokerService }>(
  calls: Calls<S>,
  route: Route,
  request: StreamRequest,
  { signal, forwarded }: { readonly signal: CallSignal | undefined; readonly forwarded: boolean },
): AsyncGenerator<ReceiveResponse, void, undefined> {
  const gone = new AbortController()
  let pieces: AsyncIterator<ReceiveResponse> | undefined
  const serve = ({ service }: S) => {
    pieces ??= service.receiveStream(request, { signal: gone.signal, forwarded })[Symbol.asyncIterator]()
    return pieces.next()
  }
  try {
    for (;;) {
      const next = await calls.call({
        ...route,
        name: 'receiveStream',
        wait: QUIET,
        signal,
        isOnce: true,
        serve,
      })
      if (next.done) return
      yield copyMessage(next.value)
    }
  } finally {
    // The server learns it late.
    calls.later(() => gone.abort())
  }
}
