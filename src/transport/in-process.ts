import { abortedError, PortalError } from '../core/errors.js'
import { TransientSet } from '../core/transient-set.js'
import type { BrokerService, CallOptions, ReceiveResponse, StreamRequest } from '../protocol/service.js'
import type { Listener, Transport } from './transport.js'

/**
 * Calls whose answer grants something. The service itself ends their wait when the signal aborts; a grant that was already on its
 * way must reach the caller, who can give it back, and nobody else could.
 */
const GRANTING: ReadonlySet<keyof BrokerService> = new Set(['receive', 'acquireLock'] as const)

/**
 * A transport within one process: calls pass through, and so do the bytes of batches, uncopied. Addresses are its own.
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
    async listen(service): Promise<Listener> {
      const address = `in-process:${++count}`
      const place = new Place(service)
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
  }
}

/** A service for as long as it listens. */
class Place {
  readonly service: BrokerService
  readonly #calls = new TransientSet<(error: PortalError) => void>()
  closed = false

  constructor(service: BrokerService) {
    this.service = service
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    for (const fail of this.#calls) fail(disconnected('stopped listening while the call was under way'))
    this.#calls.clear()
  }

  /** Ends the caller's wait when the listener closes or the signal aborts, whatever the service does. */
  call<T>(name: keyof BrokerService, start: () => Promise<T>, given: AbortSignal | undefined): Promise<T> {
    if (given?.aborted) return Promise.reject(abortedError(`The call ${name}`, given))
    const signal = GRANTING.has(name) ? undefined : given
    return new Promise<T>((resolve, reject) => {
      const abort = (): void => end(abortedError(`The call ${name}`, signal!))
      const end = (error: PortalError): void => {
        this.#calls.delete(end)
        signal?.removeEventListener('abort', abort)
        reject(error)
      }
      this.#calls.add(end)
      const done = (value: T): void => {
        this.#calls.delete(end)
        signal?.removeEventListener('abort', abort)
        resolve(value)
      }
      try {
        start().then(done, end)
      } catch (error) {
        end(error as PortalError)
      }
      signal?.addEventListener('abort', abort, { once: true })
    })
  }
}

function connectTo(place: Place | undefined, address: string): BrokerService {
  const call = (
    name: keyof BrokerService,
    args: unknown[],
    options: CallOptions | undefined,
  ): Promise<never> => {
    if (place === undefined || place.closed)
      return Promise.reject(disconnected(`nobody listens at ${address}`))
    const method = place.service[name] as (...args: unknown[]) => Promise<never>
    return place.call(name, () => method.apply(place.service, args), options?.signal)
  }
  const unary = (name: keyof BrokerService) => (request: unknown, options?: CallOptions) =>
    call(name, [request, options], options)
  const bare = (name: keyof BrokerService) => (options?: CallOptions) => call(name, [options], options)
  return {
    produce: unary('produce'),
    joinGroup: unary('joinGroup'),
    receive: unary('receive'),
    receiveStream: (request, options) => stream(place, address, request, options),
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
    metrics: bare('metrics'),
    checkReady: bare('checkReady'),
    acquireLock: unary('acquireLock'),
    renewLock: unary('renewLock'),
    releaseLock: unary('releaseLock'),
  }
}

/** It ends with the listener; what it was granted is given back when whoever listens leaves. */
async function* stream(
  place: Place | undefined,
  address: string,
  request: StreamRequest,
  options: CallOptions | undefined,
): AsyncGenerator<ReceiveResponse, void, undefined> {
  if (place === undefined || place.closed) throw disconnected(`nobody listens at ${address}`)
  const answers = place.service.receiveStream(request, options)[Symbol.asyncIterator]()
  try {
    for (;;) {
      // The service ends it by its signal.
      const next = await place.call('receive', () => answers.next(), undefined)
      if (next.done) return
      yield next.value
    }
  } finally {
    void answers.return?.()
  }
}

function disconnected(why: string): PortalError<'DISCONNECTED'> {
  return new PortalError('DISCONNECTED', `The broker cannot be reached: ${why}.`)
}
