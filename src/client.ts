/**
 * The client side of portal-mq, without a broker and without Node: for whatever holds a connection.
 *
 * @module portal-mq/client
 */
import { type ConnectOptions, checkConnectOptions, RemoteConnection } from './connect.js'
import { fetchSend, webPack } from './transport/http/client/fetch-send.js'

export {
  Admin,
  type CreateTopicOptions,
  type ElectUncleanOptions,
  type ExplainOptions,
  type SeekOptions,
} from './client/admin.js'
export { type CloseOptions, Consumer } from './client/consumer/consumer.js'
export { Message, type NackOptions } from './client/consumer/message.js'
export type { ConsumerOptions, GroupOptions } from './client/consumer/options.js'
export type { ReceiveOptions } from './client/consumer/receive-one.js'
export type { Handler, RunOptions } from './client/consumer/run.js'
export { type AcquireOptions, HeldLock, Lock, type LockOptions } from './client/lock.js'
export type { ProducerOptions } from './client/producer/options.js'
export { Producer } from './client/producer/producer.js'
export type { BatchMessage, MessageOptions, SendOptions } from './client/producer/send-options.js'
export type { Sent } from './client/producer/sent.js'
export { ReadMessage } from './client/reader/read-message.js'
export { Reader, type ReaderOptions } from './client/reader/reader.js'
export {
  type ConnectionEvents,
  type ConnectionListeners,
  type ConnectOptions,
  RemoteConnection,
} from './connect.js'
export {
  ERROR_CODES,
  type ErrorCode,
  isPortalError,
  PortalError,
  type PortalErrorOptions,
} from './core/errors.js'
export type * from './protocol/cluster.js'
export type { ClientSide, Connection, Logger, Servable } from './protocol/connection.js'
export type * from './protocol/feed.js'
export type * from './protocol/groups.js'
export type * from './protocol/metrics.js'
export type * from './protocol/service.js'
export type * from './protocol/topics.js'
export type { CallSignal } from './runtime/call-signal.js'
export type {
  ClientHandle,
  ClientSend,
  ClientSendOutcome,
  CommitDiagnostics,
  DeliverDiagnostics,
  DiagnosticsMessages,
  HttpRequestDiagnostics,
  ProduceDiagnostics,
  QueueDiagnostics,
  SettleDiagnostics,
  SettledOutcome,
} from './runtime/diagnostics.js'
export type { Clock, Crc32, Random, Runtime, Timer, Timers } from './runtime/runtime.js'

/**
 * Connects to a broker, at one of several addresses, with `fetch`. It returns at once: the first call connects. In Node
 * `portal-mq/http` has a faster one.
 *
 * Throws INVALID_ARGUMENT for what is no URL.
 *
 * @example
 * const remote = connect('https://mq.example.org', { token })
 * await new Producer(remote).send('orders', { id: 1 })
 */
export function connect(urls: string | readonly string[], options: ConnectOptions = {}): RemoteConnection {
  checkConnectOptions(options)
  return new RemoteConnection(urls, options, { send: fetchSend, pack: webPack, async close() {} })
}
