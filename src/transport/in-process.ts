import { abortedError, isPortalError, PortalError } from '../core/errors.js'
import { TransientSet } from '../core/transient-set.js'
import type { PeerService } from '../protocol/peer-service.js'
import type { BrokerService, CallOptions, ReceiveResponse, StreamRequest } from '../protocol/service.js'
import { allPeerMethods } from '../protocol/wire/peer.js'
import type { CallSignal } from '../runtime/call-signal.js'
import { onAbort } from '../runtime/on-abort.js'
import { thrownElsewhere } from './elsewhere.js'
import type { Listener, Transport } from './transport.js'

/**
 * Calls whose answer grants something. The service itself ends their wait when the signal aborts; a grant that was already on its
 * way must reach the caller, who can give it back, and nobody else could.
 */
const GRANTING: ReadonlySet<string> = new Set<keyof BrokerService>(['receive', 'acquireLock'])

/**
 * A transport within one process. Calls of clients pass through, and so do the bytes of batches, uncopied; brokers send each other the bytes
 * that they would send elsewhere, and share nothing. Addresses are its own.
 *
 * @example
 * const transport = inProcess()
 * const listener = await transport.listen(service)
 * const remote = transport.connect(listener.address)
 */
export function inProcess(): Transport {
  const places = new Map<string, Place>()
  let count = 0
  return {
    async listen(service, peers): Promise<Listener> {
      const address = `in-process:${++count}`
      const place = new Place(service, peers)
      places.set(address, place)
      return {
        address,
        async close() {
          places.delete(address)
          place.close()
        },
      }
    },
    connect: (address) => connectTo(places.get(address), address),
    connectForwarding: (address) => connectTo(places.get(address), address, forwarded),
    connectPeer: (address) => connectPeers(places.get(address), address),
  }
}

/** What is changed of calls, and of what they throw, on their way. */
interface Passage {
  options(given: CallOptions | undefined): CallOptions | undefined
  error(address: string, error: unknown): unknown
}

const asGiven: Passage = { options: (given) => given, error: (_, error) => error }

const forwarded: Passage = {
  options: (given) => ({ ...given, authorize: undefined, forwarded: true }),
  error: (address, error) => (isPortalError(error) ? thrownElsewhere(address, error) : error),
}

/** Services for as long as they listen. */
class Place {
  readonly service: BrokerService
  readonly peers: PeerService | undefined
  readonly #calls = new TransientSet<(error: PortalError) => void>()
  closed = false

  constructor(service: BrokerService, peers: PeerService | undefined) {
    this.service = service
    this.peers = peers
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    for (const fail of this.#calls) fail(disconnected('stopped listening while the call was under way'))
    this.#calls.clear()
  }

  /** Ends the caller's wait when the listener closes or the signal aborts, whatever the service does. */
  call<T>(name: string, start: () => Promise<T>, given: CallSignal | undefined): Promise<T> {
    if (given?.aborted) return Promise.reject(abortedError(`The call ${name}`, given))
    const signal = GRANTING.has(name) ? undefined : given
    return new Promise<T>((resolve, reject) => {
      const end = (error: PortalError): void => {
        this.#calls.delete(end)
        forget()
        reject(error)
      }
      this.#calls.add(end)
      const forget = onAbort(signal, () => end(abortedError(`The call ${name}`, signal!)))
      const done = (value: T): void => {
        this.#calls.delete(end)
        forget()
        resolve(value)
      }
      try {
        start().then(done, end)
      } catch (error) {
        end(error as PortalError)
      }
    })
  }
}

function connectTo(place: Place | undefined, address: string, passage = asGiven): BrokerService {
  const call = (
    name: keyof BrokerService,
    args: unknown[],
    options: CallOptions | undefined,
  ): Promise<never> => {
    if (place === undefined || place.closed)
      return Promise.reject(disconnected(`nobody listens at ${address}`))
    const method = place.service[name] as (...args: unknown[]) => Promise<never>
    const all = [...args, passage.options(options)]
    const answer = place.call(name, () => method.apply(place.service, all), options?.signal)
    // A handler more would make every call of this process slower.
    if (passage === asGiven) return answer
    return answer.catch((error) => {
      throw passage.error(address, error)
    })
  }
  const unary = (name: keyof BrokerService) => (request: unknown, options?: CallOptions) =>
    call(name, [request], options)
  const bare = (name: keyof BrokerService) => (options?: CallOptions) => call(name, [], options)
  return {
    produce: unary('produce'),
    joinGroup: unary('joinGroup'),
    receive: unary('receive'),
    receiveStream: (request, options) => stream(place, address, passage, request, options),
    addCredit: unary('addCredit'),
    endStream: unary('endStream'),
    endReceive: unary('endReceive'),
    settle: unary('settle'),
    read: unary('read'),
    findOffset: unary('findOffset'),
    createTopic: unary('createTopic'),
    listTopics: bare('listTopics'),
    findTopic: unary('findTopic'),
    describeTopic: unary('describeTopic'),
    updateTopic: unary('updateTopic'),
    addPartitions: unary('addPartitions'),
    deleteTopic: unary('deleteTopic'),
    listGroups: unary('listGroups'),
    describeGroup: unary('describeGroup'),
    updateGroup: unary('updateGroup'),
    pauseGroup: unary('pauseGroup'),
    resumeGroup: unary('resumeGroup'),
    seekGroup: unary('seekGroup'),
    deleteGroup: unary('deleteGroup'),
    explain: unary('explain'),
    describeCluster: bare('describeCluster'),
    describePlacement: unary('describePlacement'),
    changeCluster: unary('changeCluster'),
    metrics: bare('metrics'),
    checkReady: bare('checkReady'),
    acquireLock: unary('acquireLock'),
    renewLock: unary('renewLock'),
    releaseLock: unary('releaseLock'),
  }
}

/** What is asked and answered crosses as bytes: neither side can change what the other holds. */
function connectPeers(place: Place | undefined, address: string): PeerService {
  const remote: Record<string, unknown> = {}
  for (const [name, method] of allPeerMethods) {
    remote[name] = async (request: object, { signal }: CallOptions = {}) => {
      if (place === undefined || place.closed) throw disconnected(`nobody listens at ${address}`)
      const { peers } = place
      if (peers === undefined)
        throw new PortalError('UNSUPPORTED', `The broker at ${address} is in no cluster.`)
      const sent = method.encodeRequest(request)
      const serve = async (): Promise<Uint8Array> => {
        const call = peers[name] as (request: object, call: CallOptions) => Promise<unknown>
        return method.encodeAnswer(await call.call(peers, method.decodeRequest(sent), { signal }))
      }
      const answer = await place.call(name, serve, signal).catch((error) => {
        throw thrownElsewhere(address, error)
      })
      return method.decodeAnswer(answer)
    }
  }
  return remote as unknown as PeerService
}

/** It ends with the listener; what it was granted is given back when whoever listens leaves. */
async function* stream(
  place: Place | undefined,
  address: string,
  passage: Passage,
  request: StreamRequest,
  options: CallOptions | undefined,
): AsyncGenerator<ReceiveResponse, void, undefined> {
  if (place === undefined || place.closed) throw disconnected(`nobody listens at ${address}`)
  const answers = place.service.receiveStream(request, passage.options(options))[Symbol.asyncIterator]()
  try {
    for (;;) {
      // The service ends it by its signal.
      const next = await place.call('receive', () => answers.next(), undefined)
      if (next.done) return
      yield next.value
    }
  } catch (error) {
    throw passage.error(address, error)
  } finally {
    void answers.return?.()
  }
}

function disconnected(why: string): PortalError<'DISCONNECTED'> {
  return new PortalError('DISCONNECTED', `The broker cannot be reached: ${why}.`)
}
