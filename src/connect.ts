import { Emitter } from './client/emitter.js'
import { type FailoverOptions, failover, type Way } from './client/failover.js'
import { checkOptionNames, describe, durationOption, invalid } from './client/options.js'
import { PortalError } from './core/errors.js'
import { type ClientSide, CONNECTION, type Connection, type Logger } from './protocol/connection.js'
import type { OpenFeed } from './protocol/feed.js'
import type { RemoteService } from './protocol/service.js'
import { quietConsole } from './quiet-console.js'
import type { Runtime } from './runtime/runtime.js'
import { systemRuntime } from './runtime/system.js'
import { httpService } from './transport/http/client/http-service.js'
import type { OpenStreams } from './transport/http/client/receive-stream.js'
import type { Pack, Send } from './transport/http/client/send.js'

export interface ConnectOptions {
  /** Says who asks: sent as a bearer token. A function is asked for each request, so that tokens can be renewed. @default none */
  readonly token?: string | (() => string) | undefined
  /** Milliseconds without an answer after which a broker counts as gone; beyond what a call itself waits. From 100. @default 10,000 */
  readonly timeout?: number | undefined
  /** Warnings, and failures that nobody awaits. @default console, warnings and errors only */
  readonly logger?: Logger | undefined
  /** Time, timers and randomness; for tests. @default the machine's */
  readonly runtime?: Runtime | undefined
}

/** The events of a connection and what they carry. */
export interface ConnectionEvents {
  /** A broker stopped answering; calls wait or retry. */
  disconnect: { readonly url: string; readonly error: PortalError }
  /** A broker answers again. `away`: milliseconds without one. */
  connect: { readonly url: string; readonly away: number }
  /** It was closed. */
  close: Record<string, never>
}

export type ConnectionListeners = { [E in keyof ConnectionEvents]: (payload: ConnectionEvents[E]) => void }

/** What a connection needs so that its consumers listen to streams. It is handed over, so that who cannot use it need not load it. */
export interface Streams {
  readonly calls: OpenStreams
  readonly over: FailoverOptions['stream']
  readonly feed: OpenFeed
}

/** A connection before it knows of more than one broker. */
export interface LearningParts extends FailoverOptions {
  /** Where any broker is looked for; others may be added. */
  readonly ways: Way[]
  wayTo(url: string, headers?: Record<string, string>): Way
}

/** What carries the requests of a connection. */
export interface Carrier {
  readonly send: Send
  close(): Promise<void>
  readonly pack: Pack
  /** Where it hands over pieces as they come. */
  readonly streams?: Streams | undefined
  /** Makes the service, which is over any broker that answers, talk to the leaders themselves where there are several brokers. */
  learn?(service: RemoteService, parts: LearningParts): ClientSide['leaderOf']
}

/**
 * A connection to a broker elsewhere; hand it to Producer, Consumer, Reader, Admin and Lock. Made by `connect`.
 *
 * @example
 * remote.on('disconnect', ({ url }) => console.warn(`${url} is away`))
 * remote.on('connect', ({ url, away }) => console.warn(`${url} is back after ${away} ms`))
 */
export class RemoteConnection extends Emitter<ConnectionEvents> implements Connection {
  readonly #closed = new AbortController()
  readonly #carrier: Carrier
  readonly #side: ClientSide
  #closing: Promise<void> | undefined

  /** @internal */
  constructor(urls: string | readonly string[], options: ConnectOptions, carrier: Carrier) {
    super()
    const { token, logger = quietConsole, runtime = systemRuntime() } = options
    const timeout = durationOption('timeout', options.timeout, 10_000, { min: 100 })
    this.#carrier = carrier
    const closed = this.#closed.signal
    const headersWith = (more: Record<string, string>) =>
      token === undefined
        ? more
        : { ...more, authorization: `Bearer ${typeof token === 'function' ? token() : token}` }
    let receives = 0
    const wayTo = (url: string, more = {}) => ({
      url,
      service: httpService(url, {
        send: carrier.send,
        pack: carrier.pack,
        streams: carrier.streams?.calls,
        clock: runtime.clock,
        timers: runtime.timers,
        headers: () => headersWith(more),
        timeout,
        nameReceive: () => ++receives,
      }),
    })
    const ways = checkUrls(urls).map((url) => wayTo(url))
    const parts = {
      ways,
      wayTo,
      runtime,
      closed,
      patience: timeout,
      stream: carrier.streams?.over,
      onDisconnect: (url: string, error: PortalError) => {
        if (!this.emit('disconnect', { url, error })) logger.warn({ url, err: error }, error.message)
      },
      onConnect: (url: string, away: number) => {
        if (!this.emit('connect', { url, away }))
          logger.warn({ url, away }, `The broker at ${url} is back after ${Math.round(away)} ms.`)
      },
    }
    const service = failover(ways, parts)
    this.#side = {
      service,
      leaderOf: carrier.learn?.(service, parts),
      feed: carrier.streams?.feed,
      runtime,
      logger,
      closed,
    }
  }

  get [CONNECTION](): ClientSide {
    return this.#side
  }

  /**
   * Ends all its clients' waits with CLOSED and cuts what is under way: close producers and consumers first. Nothing keeps the process alive
   * afterwards. May be called again.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#closed.abort(new PortalError('CLOSED', 'The connection is closed: connect again.'))
    await this.#carrier.close()
    this.emit('close', {})
  }
}

export const CONNECT_OPTIONS = ['token', 'timeout', 'logger', 'runtime'] as const

/** Throws INVALID_ARGUMENT for options that are not there or not as they should be. */
export function checkConnectOptions(options: ConnectOptions, more: readonly string[] = []): void {
  checkOptionNames('connect', options, [...CONNECT_OPTIONS, ...more])
  const { token } = options
  if (token === undefined || typeof token === 'function') return
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token))
    throw invalid("'token' must be a string without spaces, or a function that returns one.")
}

function checkUrls(urls: string | readonly string[]): string[] {
  const list = typeof urls === 'string' ? [urls] : urls
  if (!Array.isArray(list) || list.length === 0)
    throw invalid(`connect takes a URL or several; it got ${describe(urls)}.`)
  return list.map((text: unknown) => {
    if (typeof text === 'string' && URL.canParse(text)) {
      const url = new URL(text)
      if (url.protocol === 'http:' || url.protocol === 'https:') return url.href.replace(/\/+$/, '')
    }
    throw invalid(`A broker's URL begins with http:// or https://; it is ${describe(text)}.`)
  })
}
