import { createHandler, http } from '../../../src/http.js'
import type { Broker, BrokerOptions } from '../../../src/index.js'
import { openBroker } from './broker.js'

/** A way to ask a broker: `ask('POST', '/topics/t/messages', { value: 1 })`. */
export interface Rest {
  readonly broker: Broker
  ask(method: string, path: string, body?: unknown, options?: AskOptions): Promise<Answer>
  /** The answer as it comes. */
  open(method: string, path: string, body?: unknown, options?: AskOptions): Promise<Response>
}

export interface AskOptions {
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** What is in it, if it is JSON. */
  readonly body: Record<string, never> & { readonly [name: string]: unknown }
}

export type Fetch = (request: Request) => Promise<Response>

/** Asks through a function from Request to Response. */
export function restOf(broker: Broker, url: string, fetch: Fetch): Rest {
  const open: Rest['open'] = (method, path, body, { headers = {}, signal } = {}) => {
    const isRaw = typeof body === 'string' || body instanceof Uint8Array
    const type = body === undefined || isRaw ? {} : { 'content-type': 'application/json' }
    const init: RequestInit = {
      method,
      headers: { ...type, ...headers },
      signal: signal ?? null,
      redirect: 'manual',
    }
    if (body !== undefined) init.body = isRaw ? (body as never) : JSON.stringify(body)
    return fetch(new Request(url + path, init))
  }
  return {
    broker,
    open,
    async ask(...args) {
      const response = await open(...args)
      const text = await response.text()
      const isJson = /json/.test(response.headers.get('content-type') ?? '')
      return {
        status: response.status,
        headers: response.headers,
        text,
        body: isJson && text !== '' ? JSON.parse(text) : {},
      }
    },
  }
}

/** A broker that listens. */
export async function openServer(options: Partial<BrokerOptions> = {}): Promise<Rest> {
  const broker = await openBroker({ directory: ':memory:', transport: http({ port: 0 }), ...options })
  return restOf(broker, broker.url!, fetch)
}

/** A broker behind a handler, without a server. */
export async function openHandler(options: Partial<BrokerOptions> = {}): Promise<Rest> {
  const broker = await openBroker({ directory: ':memory:', ...options })
  return restOf(broker, 'http://broker.test', createHandler(broker))
}

export interface ServerSentEvent {
  readonly id: string
  readonly data: Record<string, unknown>
}

/** Reads events until there are `count`, then leaves. */
export async function readEvents(response: Response, count: number): Promise<ServerSentEvent[]> {
  const events: ServerSentEvent[] = []
  const reader = response.body!.pipeThrough(new TextDecoderStream() as never).getReader()
  let text = ''
  while (events.length < count) {
    const { done, value } = await reader.read()
    if (done) throw new Error(`The stream ended after ${events.length} events.`)
    text += value
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const lines = text.slice(0, end).split('\n')
      text = text.slice(end + 2)
      const data = lines.find((line) => line.startsWith('data: '))
      const id = lines.find((line) => line.startsWith('id: '))
      if (data && id) events.push({ id: id.slice(4), data: JSON.parse(data.slice(6)) })
    }
  }
  await reader.cancel()
  return events
}
