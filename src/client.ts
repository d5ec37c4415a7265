/**
 * The client side of portal-mq, without a broker and without Node: for whatever holds a connection.
 *
 * @packageDocumentation
 */
export {
  Admin,
  type CreateTopicOptions,
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
  ERROR_CODES,
  type ErrorCode,
  isPortalError,
  PortalError,
  type PortalErrorOptions,
} from './core/errors.js'
export type { ClientSide, Connection, Logger } from './protocol/connection.js'
export type * from './protocol/groups.js'
export type * from './protocol/service.js'
export type * from './protocol/topics.js'
export type { Clock, Crc32, Random, Runtime, Timer, Timers } from './runtime/runtime.js'
