/**
 * Every diagnostics channel of portal-mq, and what is published on it. In Node, subscribe by name with `node:diagnostics_channel`.
 * Messages are built only while somebody subscribes. Durations are milliseconds.
 *
 * @example
 * import { subscribe } from 'node:diagnostics_channel'
 * subscribe('portal-mq:dead-letter', (message) => alarm(message))
 */
export interface DiagnosticsMessages {
  /** A request with record batches was answered: what was accepted is committed. One a request, however many messages. */
  readonly 'portal-mq:produce': ProduceDiagnostics
  /** A consumer was given messages under a lease. */
  readonly 'portal-mq:deliver': DeliverDiagnostics
  /** Leases ended, all in the same way; committed. */
  readonly 'portal-mq:settle': SettleDiagnostics
  /** Some of the messages that a consumer was given were delivered before. */
  readonly 'portal-mq:redelivery': QueueDiagnostics
  /** Messages went by `age` or `bytes` before the group had settled them. */
  readonly 'portal-mq:expiry': QueueDiagnostics
  /** Messages are committed in the group's dead-letter topic. */
  readonly 'portal-mq:dead-letter': QueueDiagnostics
  /** The storage has taken a group of writes. */
  readonly 'portal-mq:commit': CommitDiagnostics
  /** A request over HTTP has its answer, though not yet all of its body. */
  readonly 'portal-mq:http:request': HttpRequestDiagnostics
  /** A producer is about to encode messages: headers can still be added, and the end be heard of. */
  readonly 'portal-mq:client:send': ClientSend
  /** `run` is about to call a handler, which can be wrapped. */
  readonly 'portal-mq:client:handle': ClientHandle
}

export interface ProduceDiagnostics {
  /** The broker's id: a process may have several. */
  readonly broker: string
  readonly batches: readonly {
    readonly topic: string
    readonly partition: number
    /** Accepted, by this request or by one that it repeats. Those whose `id` was stored before are not. */
    readonly messages: number
    readonly bytes: number
    /** The code of the error that refused it. */
    readonly error: string | undefined
  }[]
  readonly duration: number
}

export interface QueueDiagnostics {
  readonly broker: string
  readonly topic: string
  readonly partition: number
  readonly group: string
  readonly messages: number
}

export interface DeliverDiagnostics extends QueueDiagnostics {
  readonly consumer: string
}

export interface SettleDiagnostics extends QueueDiagnostics {
  readonly outcome: SettledOutcome
}

/**
 * `acked`: done. `retry`: failed, comes back later. `rejected`: failed for good, on its way to the dead letters. `discarded`: the same
 * without dead letters. `released`: given back unhandled. `suspected`: its consumer, which held several, went silent.
 */
export type SettledOutcome = 'acked' | 'retry' | 'rejected' | 'discarded' | 'released' | 'suspected'

export interface CommitDiagnostics {
  readonly broker: string
  readonly duration: number
  readonly entries: number
  readonly bytes: number
  /** Whether it was fsynced. */
  readonly durable: boolean
}

export interface HttpRequestDiagnostics {
  readonly id: string
  readonly method: string
  /** The route's pattern, like `/topics/{topic}`; '' if there is none. */
  readonly route: string
  /** As it was asked for, without the query. */
  readonly path: string
  readonly status: number
  readonly duration: number
  /** Who asked, if that is known. */
  readonly principal: string | undefined
}

/** A send, or a batch of them, before it is encoded. */
export interface ClientSend {
  readonly topic: string
  readonly messages: number
  /** Of a single send, if it says so. */
  readonly partition: number | undefined
  readonly id: string | undefined
  /** What is put here is sent with each message, unless the message has a header of that name. */
  readonly headers: Record<string, string>
  /** Calls back once, when it is stored or has failed. */
  onEnd(callback: (outcome: ClientSendOutcome) => void): void
}

export type ClientSendOutcome =
  | { readonly error: Error }
  | {
      readonly error?: undefined
      /** In the order of the messages. */
      readonly sent: readonly { readonly partition: number; readonly offset: number }[]
    }

/** A message on its way to a handler of `run`. */
export interface ClientHandle {
  readonly topic: string
  readonly group: string
  readonly partition: number
  readonly offset: number
  readonly headers: Readonly<Record<string, string>>
  readonly deliveryCount: number
  /** Has the handler called within `wrapper`, which must call `handle` once and return, or reject with, what it does. */
  wrap(wrapper: (handle: () => Promise<void>) => Promise<void>): void
}

/** One channel, as a publisher sees it. */
export interface DiagnosticsChannel<M> {
  /** Asked before a message is built. */
  readonly hasSubscribers: boolean
  publish(message: M): void
}

type ChannelFactory = (name: string) => DiagnosticsChannel<unknown>

/** Reached without an import: browsers have no such module, and then nobody subscribes. */
const factory: ChannelFactory | undefined =
  globalThis.process?.getBuiltinModule?.('node:diagnostics_channel')?.channel

/* @__NO_SIDE_EFFECTS__ */
function channel<Name extends keyof DiagnosticsMessages>(
  name: Name,
): DiagnosticsChannel<DiagnosticsMessages[Name]> {
  return factory ? factory(name) : { hasSubscribers: false, publish() {} }
}

/** Those of brokers. Publishers ask `hasSubscribers` first: unused, a channel costs that question. */
export const diagnostics = {
  produce: channel('portal-mq:produce'),
  deliver: channel('portal-mq:deliver'),
  settle: channel('portal-mq:settle'),
  redelivery: channel('portal-mq:redelivery'),
  expiry: channel('portal-mq:expiry'),
  deadLetter: channel('portal-mq:dead-letter'),
  commit: channel('portal-mq:commit'),
  httpRequest: channel('portal-mq:http:request'),
} as const

/** Those of the client classes: a bundle for browsers has them alone. */
export const clientDiagnostics = {
  send: channel('portal-mq:client:send'),
  handle: channel('portal-mq:client:handle'),
} as const
