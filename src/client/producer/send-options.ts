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
const LONGEST_ID = 256

/** By name: what an option must be, in words, and whether it is. */
const RULES = new Map<string, readonly [rule: string, test: (value: unknown) => boolean]>([
  ['key', ['a string or a Uint8Array', (key) => typeof key === 'string' || key instanceof Uint8Array]],
  ['headers', ['an object of strings', areHeaders]],
  [
    'partition',
    ['a whole number from 0', (number) => Number.isSafeInteger(number) && (number as number) >= 0],
  ],
  ['id', [`a string of 1 to ${LONGEST_ID} characters`, isId]],
  ['timestamp', ['a Date or whole milliseconds since the Unix epoch, less than 2^52', isTimestamp]],
])

/** Throws INVALID_ARGUMENT, or UNSUPPORTED for what is known and not there yet. `also` names the keys that come beside. */
export function checkMessageOptions(options: MessageOptions, also: 'signal' | 'value'): void {
  for (const name in options) {
    const value: unknown = options[name as keyof MessageOptions]
    const known = RULES.get(name)
    if (known !== undefined) {
      if (value !== undefined && !known[1](value)) throw wrong(name, known[0], value)
    } else if (name === also) {
      // Whoever takes it checks it.
    } else if (!LATER.includes(name)) {
      checkOptionNames('send', options, [...RULES.keys(), also])
    } else if (value !== undefined) {
      throw new PortalError('UNSUPPORTED', `This version of portal-mq does not know '${name}' of send yet.`)
    }
  }
}

function areHeaders(headers: unknown): boolean {
  if (typeof headers !== 'object' || headers === null) return false
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value !== 'string') throw wrong(`headers.${name}`, 'a string', value)
  }
  return true
}

function isId(id: unknown): boolean {
  return typeof id === 'string' && id.length > 0 && id.length <= LONGEST_ID
}

function isTimestamp(timestamp: unknown): boolean {
  const time = timestamp instanceof Date ? timestamp.getTime() : timestamp
  return Number.isInteger(time) && Math.abs(time as number) <= MAX_TIMESTAMP
}

function wrong(name: string, rule: string, value: unknown): PortalError {
  return invalid(`'${name}' of a message must be ${rule}; it is ${describe(value)}.`)
}
