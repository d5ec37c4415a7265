import { PortalError } from '../../core/errors.js'
import { MAX_TIMESTAMP } from '../../core/record.js'
import { checkOptionNames, describe, invalid } from '../options.js'

/** What may be said of one message. */
export interface MessageOptions {
  /** Messages of one key go to one partition, in order. Text or bytes. @default none: partitions take turns by batch */
  readonly key?: string | Uint8Array | undefined
  /** Text by name, delivered with the message. @default none */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** The partition's number. @default by murmur2 of `key` as Kafka's clients do, else of `id`, else by turns */
  readonly partition?: number | undefined
  /**
   * Names the message: within the topic's window (`dedupe`), a second one with the same id in the same partition is not stored;
   * `duplicate` says so. 1 to 256 characters. @default none
   */
  readonly id?: string | undefined
  /** Milliseconds since the Unix epoch, or a Date. @default now */
  readonly timestamp?: number | Date | undefined
}

export interface SendOptions extends MessageOptions {
  /**
   * Ends the wait: the promise rejects with ABORTED. A message that has not reached a batch yet is not sent; one that has may
   * still be stored. @default none
   */
  readonly signal?: AbortSignal | undefined
}

/** One of several messages for `sendBatch`. */
export interface BatchMessage<In = unknown> extends MessageOptions {
  readonly value: In
}

const LATER = ['priority', 'delay', 'at']
const NAMES = ['key', 'headers', 'partition', 'id', 'timestamp']
const LONGEST_ID = 256

/** Throws INVALID_ARGUMENT, or UNSUPPORTED for what is known and not there yet. `also` names the keys that come beside. */
export function checkMessageOptions(options: MessageOptions, also: 'signal' | 'value'): void {
  for (const name in options) {
    switch (name) {
      case 'key':
        if (!isTextOrBytes(options.key)) throw wrong(name, 'a string or a Uint8Array', options.key)
        break
      case 'headers':
        checkHeaders(options.headers)
        break
      case 'partition':
        checkPartition(options.partition)
        break
      case 'id':
        checkId(options.id)
        break
      case 'timestamp':
        checkTimestamp(options.timestamp)
        break
      case also:
        break
      default:
        if (LATER.includes(name)) {
          if (options[name as never] === undefined) break
          throw new PortalError(
            'UNSUPPORTED',
            `The option '${name}' of send is not supported by this version of portal-mq.`,
          )
        }
        checkOptionNames('send', options, [...NAMES, also])
    }
  }
}

function isTextOrBytes(key: unknown): boolean {
  return key === undefined || typeof key === 'string' || key instanceof Uint8Array
}

function checkHeaders(headers: MessageOptions['headers']): void {
  if (headers === undefined) return
  if (typeof headers !== 'object' || headers === null) throw wrong('headers', 'an object of strings', headers)
  for (const name of Object.keys(headers)) {
    if (typeof headers[name] !== 'string') throw wrong(`headers.${name}`, 'a string', headers[name])
  }
}

function checkPartition(partition: number | undefined): void {
  if (partition === undefined || (Number.isSafeInteger(partition) && partition >= 0)) return
  throw wrong('partition', 'a whole number from 0', partition)
}

function checkId(id: string | undefined): void {
  if (id === undefined || (typeof id === 'string' && id.length > 0 && id.length <= LONGEST_ID)) return
  throw wrong('id', `a string of 1 to ${LONGEST_ID} characters`, id)
}

function checkTimestamp(timestamp: MessageOptions['timestamp']): void {
  if (timestamp === undefined) return
  const time = timestamp instanceof Date ? timestamp.getTime() : timestamp
  if (Number.isInteger(time) && Math.abs(time) <= MAX_TIMESTAMP) return
  throw wrong('timestamp', 'a Date or whole milliseconds since the Unix epoch, less than 2^52', timestamp)
}

function wrong(name: string, rule: string, value: unknown): PortalError {
  return invalid(`'${name}' of a message must be ${rule}; it is ${describe(value)}.`)
}
