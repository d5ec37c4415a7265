import type { Runtime } from '../runtime/runtime.js'
import type { OpenFeed } from './feed.js'
import type { BrokerService, RemoteService } from './service.js'

/** The key under which a broker or a remote connection shows its client side. Stable across copies of the package. */
export const CONNECTION = Symbol.for('portal-mq.connection')

/** The key under which a broker shows its service for callers elsewhere, whose answers can be lost on the way. */
export const SERVICE = Symbol.for('portal-mq.service')

/** What a server makes reachable: a broker. */
export interface Servable {
  readonly [SERVICE]: BrokerService
}

/** What Producer, Consumer, Reader, Admin and Lock are made with: an embedded broker, or what `connect` returns. */
export interface Connection {
  readonly [CONNECTION]: ClientSide
}

/** What a client class needs of whatever it talks to. */
export interface ClientSide {
  readonly service: RemoteService
  /** How consumers are brought messages, if not by one receive after the other: answers that come from elsewhere had better come as a stream. */
  readonly feed?: OpenFeed | undefined
  /**
   * Names who answers for a partition, as far as is known: what is asked of one waits for no other. Missing where one broker is asked for all: one
   * request holds what is for whichever leader.
   */
  readonly leaderOf?: ((topicId: string, partition: number) => unknown) | undefined
  readonly runtime: Runtime
  /** Where warnings and failures that nobody awaits go. */
  readonly logger: Logger
  /** Aborts when the broker or connection closes; its reason is the PortalError that waiting calls reject with. */
  readonly closed: AbortSignal
}

/** pino's shape, and console's. */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}
