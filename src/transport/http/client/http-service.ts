import { abortedError, isPortalError, PortalError } from '../../../core/errors.js'
import { definedOnly } from '../../../core/options.js'
import { POLL } from '../../../protocol/poll.js'
import type {
  BrokerService,
  CallOptions,
  Compression,
  Position,
  ProduceBatch,
  ProduceResult,
  RemoteService,
} from '../../../protocol/service.js'
import {
  COMPRESSIONS,
  decodeProduceResponse,
  encodeProduceRequest,
  type PackedBatch,
} from '../../../protocol/wire/produce.js'
import { decodeReadResponse } from '../../../protocol/wire/read.js'
import { decodeReceiveResponse, encodeReceiveRequest } from '../../../protocol/wire/receive.js'
import { decodeSettleResponse, encodeSettleRequest } from '../../../protocol/wire/settle.js'
import { WIRE_TYPE } from '../../../protocol/wire/wire.js'
import { onAbort } from '../../../runtime/on-abort.js'
import type { Clock, Timer, Timers } from '../../../runtime/runtime.js'
import { asSeenFromHere } from '../../elsewhere.js'
import { problemOf, unreachable } from './no-answer.js'
import type { OpenStreams } from './receive-stream.js'
import type { Pack, Pieces, Send } from './send.js'

export interface HttpServiceOptions {
  readonly send: Send
  readonly clock: Clock
  readonly timers: Timers
  readonly pack: Pack
  /** Adds the calls of streams, where the carrier hands over pieces as they come. */
  readonly streams?: OpenStreams | undefined
  /** Sent with every request. */
  readonly headers: () => Readonly<Record<string, string>>
  /** Milliseconds without an answer, beyond what the call itself waits, after which the broker counts as gone. */
  readonly timeout: number
  /** A number that no other receive of the same consumer has, whichever way it takes. @default those of this service counted from 1 */
  readonly nameReceive?: (() => number) | undefined
}

/** How long the answer to a receive that was ended is awaited (ms). */
const PATIENCE = 2_000

const JSON_TYPE = 'application/json'
/** The last moment that a Date can hold (ms). */
const LATEST_TIME = 8.64e15
const DATES = new Set(['createdAt', 'appendedAt', 'until'])
const utf8 = new TextDecoder()

type Query = Readonly<Record<string, string | number | boolean | undefined>>

/** A broker at the other end of a network. `url`: its own, or that of a path below which something else passes requests on to it. */
export function httpService(
  url: string,
  options: HttpServiceOptions & { readonly streams: OpenStreams },
): BrokerService
export function httpService(url: string, options: HttpServiceOptions): RemoteService
export function httpService(url: string, options: HttpServiceOptions): RemoteService {
  const { send, clock, timers, timeout } = options
  const { origin, pathname } = new URL(url)
  const prefix = pathname.replace(/\/+$/, '')

  async function exchange(
    method: string,
    path: string,
    body: Uint8Array | object | undefined,
    call: CallOptions | undefined,
    wait = 0,
    onPiece?: Pieces | undefined,
  ): Promise<Uint8Array | undefined> {
    const signal = call?.signal
    if (signal?.aborted) throw abortedError(`${method} ${path}`, signal)
    const isBinary = body instanceof Uint8Array
    const type = isBinary ? WIRE_TYPE : JSON_TYPE
    const headers = { ...options.headers() }
    if (body !== undefined) headers['content-type'] = type
    const sent = isBinary || body === undefined ? body : JSON.stringify(body)
    const request = {
      method,
      origin,
      path: prefix + path,
      headers,
      body: sent,
      signal,
      waits: wait > 0,
      timeout: timeout + wait,
      onPiece,
    }
    const response = await send(request).catch((cause) => {
      throw signal?.aborted ? abortedError(`${method} ${path}`, signal) : unreachable(url, cause)
    })
    if (response.status === 204) return undefined
    if (response.status < 300) return response.body
    throw problemOf(url, response.status, response.body)
  }

  async function ask<T>(
    method: string,
    path: string,
    body?: object | undefined,
    call?: CallOptions | undefined,
    wait?: number,
  ): Promise<T> {
    const bytes = await exchange(method, path, body, call, wait)
    return (bytes === undefined ? undefined : parse(url, bytes)) as T
  }

  /** What cannot be read is nothing that a broker has said: something between has answered, or cut it short. */
  function decode<T>(read: (bytes: Uint8Array) => T, bytes: Uint8Array | undefined): T {
    try {
      return read(bytes ?? new Uint8Array(0))
    } catch (cause) {
      throw unreachable(url, cause)
    }
  }

  /** Asks again and again, each time for a while, until there is an answer or `wait` is over. */
  async function sleep<T>(
    wait: number | undefined,
    once: (wait: number) => Promise<T>,
    isAnswer: (value: T) => boolean,
  ): Promise<T> {
    let left = wait ?? Number.POSITIVE_INFINITY
    const end = clock.monotonic() + left
    for (;;) {
      const value = await once(Math.ceil(Math.min(left, POLL)))
      if (isAnswer(value) || left <= POLL) return value
      left = Math.max(0, end - clock.monotonic())
    }
  }

  let receives = 0
  const { nameReceive = () => ++receives } = options

  const topic = (name: string) => `/topics/${encodeURIComponent(name)}`
  const group = (name: { readonly topic: string; readonly group: string }) =>
    `${topic(name.topic)}/groups/${encodeURIComponent(name.group)}`
  const groupOf = (request: { readonly topicId: string; readonly group: string }) =>
    group({ topic: `~${request.topicId}`, group: request.group })
  const lock = (name: string, token?: number) =>
    `/locks/${encodeURIComponent(name)}${token === undefined ? '' : `/${token}`}`

  const endReceive: RemoteService['endReceive'] = ({ consumer, id, ...request }, call) =>
    ask('DELETE', `${groupOf(request)}/receives/${encodeURIComponent(consumer)}/${id}`, undefined, call)

  return {
    ...options.streams?.({
      timers,
      ask,
      post: (path, body, call, silence, onPiece) => exchange('POST', path, body, call, silence, onPiece),
      groupOf,
      translate: (error) => asSeenFromHere(url, error.code, error.message, error.retriable),
    }),
    async produce({ acks, batches, compression }, call) {
      const packed =
        compression === undefined
          ? batches.map((batch) => ({ ...batch, packing: 0 }))
          : await Promise.all(batches.map((batch) => packBatch(batch, compression, options.pack)))
      const body = encodeProduceRequest(acks, packed)
      const { results } = decode(decodeProduceResponse, await exchange('POST', '/messages', body, call))
      return { results: results.map((result) => seenFromHere(url, result)) }
    },
    joinGroup: async ({ from, settings, create, ...name }, call) =>
      ask('PUT', group(name), { ...settings, from: from && toText(from), create }, call),
    async receive(request, { signal } = {}) {
      const path = groupOf(request)
      const id = nameReceive()
      let { held } = request
      const once = async (wait: number) => {
        if (signal?.aborted) throw abortedError('The call receive', signal)
        const body = encodeReceiveRequest({ ...request, held, id, wait })
        held = undefined
        const answer = await exchange('POST', `${path}/receive`, body, { signal: cut.signal }, wait)
        return decode(decodeReceiveResponse, answer)
      }
      // A grant may be on its way when the wait is given up: the broker is asked to end it, and its answer is awaited.
      const cut = new AbortController()
      let patience: Timer | undefined
      const forget = onAbort(signal?.aborted ? undefined : signal, () => {
        const giveUp = () => cut.abort(signal?.reason)
        patience = timers.setTimeout(giveUp, PATIENCE)
        endReceive({ ...request, id }).catch(giveUp)
      })
      try {
        // A hint's answer is empty: that it has come says it.
        return await sleep(request.wait, once, ({ deliveries }) => request.hint || deliveries.length > 0)
      } finally {
        forget()
        patience?.cancel()
      }
    },
    endReceive,
    async settle(request, call) {
      const path = `${groupOf(request)}/settle`
      return decode(decodeSettleResponse, await exchange('POST', path, encodeSettleRequest(request), call))
    },
    read({ topicId, partition, offset, maxBytes, wait = 0 }, call) {
      const once = async (some: number) => {
        const query = toQuery({ offset, maxBytes, wait: some })
        const path = `${topic(`~${topicId}`)}/partitions/${partition}/messages${query}`
        return decode(decodeReadResponse, await exchange('GET', path, undefined, call, some))
      }
      return sleep(wait, once, ({ batches, nextOffset }) => batches.length > 0 || nextOffset > offset)
    },
    findOffset: async ({ topicId, partition, at }, call) =>
      ask(
        'GET',
        `${topic(`~${topicId}`)}/partitions/${partition}/offset${toQuery({ at: toText(at) })}`,
        undefined,
        call,
      ),
    createTopic: ({ name, config }, call) => ask('POST', '/topics', { name, ...config }, call),
    listTopics: async (call) => (await ask<{ topics: [] }>('GET', '/topics', undefined, call)).topics,
    findTopic({ name, create, wait = 0 }, call) {
      const path = `${topic(name)}/route`
      const once = (some: number) =>
        ask<never>('GET', `${path}${toQuery({ create, wait: some })}`, undefined, call, some).catch(
          (error) => {
            if (isPortalError(error, 'TOPIC_NOT_FOUND')) return error
            throw error
          },
        )
      return sleep<object>(wait, once, (found) => !(found instanceof Error)).then((found) => {
        if (found instanceof Error) throw found
        return found as never
      })
    },
    describeTopic: ({ name }, call) => ask('GET', topic(name), undefined, call),
    updateTopic: ({ name, patch }, call) => ask('PATCH', topic(name), patch, call),
    addPartitions: ({ name, partitions }, call) =>
      ask('PUT', `${topic(name)}/partitions`, { partitions }, call),
    deleteTopic: ({ name }, call) => ask('DELETE', topic(name), undefined, call),
    listGroups: async (request, call) =>
      (await ask<{ groups: [] }>('GET', `${topic(request.topic)}/groups`, undefined, call)).groups,
    describeGroup: (name, call) => ask('GET', group(name), undefined, call),
    updateGroup: ({ patch, ...name }, call) => ask('PATCH', group(name), patch, call),
    pauseGroup: (name, call) => ask('POST', `${group(name)}/pause`, undefined, call),
    resumeGroup: (name, call) => ask('POST', `${group(name)}/resume`, undefined, call),
    seekGroup: async ({ to, ...name }, call) => ask('POST', `${group(name)}/seek`, { to: toText(to) }, call),
    deleteGroup: (name, call) => ask('DELETE', group(name), undefined, call),
    explain: ({ partition, offset, ...name }, call) =>
      ask('GET', `${group(name)}/explain${toQuery({ partition, offset })}`, undefined, call),
    describeCluster: (call) => ask('GET', '/cluster', undefined, call),
    describePlacement: async (request, call) =>
      (await ask<{ partitions: [] }>('GET', `/cluster/partitions${toQuery(request)}`, undefined, call))
        .partitions,
    changeCluster: ({ type, ...request }, call) => ask('POST', `/cluster/${type}`, request, call),
    metrics: async (call) =>
      (await ask<{ families: [] }>('GET', '/metrics?format=json', undefined, call)).families,
    checkReady: async (call) => {
      await ask('GET', '/readyz', undefined, call)
    },
    acquireLock({ name, ttl, wait, waiter }, call) {
      const once = (some: number) =>
        ask<{ token: number } | undefined>('POST', lock(name), { ttl, wait: some, waiter }, call, some)
      return sleep(wait, once, (grant) => grant !== undefined)
    },
    renewLock: ({ name, token }, call) => ask('PUT', lock(name, token), undefined, call),
    releaseLock: ({ name, token }, call) => ask('DELETE', lock(name, token), undefined, call),
  }
}

async function packBatch(batch: ProduceBatch, compression: Compression, pack: Pack): Promise<PackedBatch> {
  const records = await pack(batch.records, compression)
  if (records.length >= batch.records.length) return { ...batch, packing: 0 }
  return { ...batch, records, packing: COMPRESSIONS.indexOf(compression) + 1 }
}

function toText(at: Position): string | number {
  if (typeof at === 'string') return at
  if ('time' in at && Math.abs(at.time) <= LATEST_TIME) return new Date(at.time).toISOString()
  if ('offset' in at && Number.isSafeInteger(at.offset) && at.offset >= 0) return at.offset
  throw new PortalError(
    'INVALID_ARGUMENT',
    `${JSON.stringify(at)} is no position: offsets are whole numbers from 0, times milliseconds.`,
  )
}

function toQuery(query: Query): string {
  return `?${new URLSearchParams(definedOnly(query) as Record<string, string>)}`
}

function parse(url: string, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(bytes), (name, value) => {
      if (DATES.has(name) && typeof value === 'string') return new Date(value)
      // JSON has no Infinity: a disk without end has null bytes left.
      return name === 'freeBytes' ? (value ?? Number.POSITIVE_INFINITY) : value
    })
  } catch (cause) {
    throw unreachable(url, cause)
  }
}

function seenFromHere(url: string, result: ProduceResult): ProduceResult {
  if (result.error === undefined) return result
  const { code, message, retriable } = result.error
  return { error: asSeenFromHere(url, code, message, retriable) }
}
