import { checkGroupName, checkName, checkTopicName } from '../../core/names.js'
import type { AskedGroupSettings, BackoffSettings, GroupStart } from '../../protocol/groups.js'
import type { Random } from '../../runtime/runtime.js'
import { randomId } from '../../runtime/runtime.js'
import {
  checkOptionNames,
  choiceOption,
  dateOption,
  definedOnly,
  describe,
  durationOption,
  invalid,
  numberOption,
  signalOption,
} from '../options.js'

/** What all consumers of a group share, and what is one consumer's own. */
export interface ConsumerOptions extends GroupOptions {
  /** The group whose consumers share the messages. @default 'default' */
  readonly group?: string | undefined
  /**
   * Milliseconds for which a message is this consumer's alone; renewed while it waits in the buffer and while a handler of `run`
   * works on it. When the consumer dies, its messages come back after that. 10 to 86,400,000. @default 30,000
   */
  readonly lease?: number | undefined
  /**
   * The most unsettled messages that this consumer holds, waiting or in hand; one that is
   * forgotten counts until its lease is over. `auto`: begins at the concurrency, doubles while the
   * buffer runs dry, halves when a message waited longer than a tenth of the lease. 1 to 4,096. @default 'auto'
   */
  readonly prefetch?: 'auto' | number | undefined
  /** Begins its name in descriptions of the group. 1 to 249 of A-Z a-z 0-9 . _ - @default random */
  readonly consumerId?: string | undefined
  /** Ends receiving as `close` does: loops and `run` end, waiting receives reject with ABORTED. @default none */
  readonly signal?: AbortSignal | undefined
}

/**
 * What the first consumer of a group fixes. Another consumer that asks for another value gets GROUP_CONFLICT;
 * `admin.updateGroup` changes them.
 */
export interface GroupOptions {
  /** `none`: any free message goes to whoever asks. @default 'none' */
  readonly order?: 'none' | undefined
  /** Where a new group begins; a Date is compared with the time of storing. @default 'earliest' */
  readonly from?: 'earliest' | 'latest' | Date | undefined
  /** Failed deliveries after which a message goes to the dead letters. 1 to 1,000. @default 5 */
  readonly maxDeliveries?: number | undefined
  /** How long a failed message waits: initial × factor^(failures − 1), at most max, ± jitter. @default 1 s, 60 s, 2, 0.2 */
  readonly backoff?: Partial<{ [K in keyof BackoffSettings]: BackoffSettings[K] | undefined }> | undefined
  /** The topic for dead messages; `false`: they are discarded, counted and emitted. @default '<topic>.dead' */
  readonly deadLetter?: string | false | undefined
}

export interface ResolvedConsumerOptions {
  readonly group: string
  readonly settings: AskedGroupSettings
  readonly from: GroupStart | undefined
  readonly lease: number
  readonly prefetch: 'auto' | number
  readonly consumerId: string
  readonly signal: AbortSignal | undefined
}

const GROUP_NAMES = ['order', 'from', 'maxDeliveries', 'backoff', 'deadLetter'] as const
const NAMES = ['group', ...GROUP_NAMES, 'lease', 'prefetch', 'consumerId', 'signal'] as const

export function resolveConsumerOptions(options: ConsumerOptions, random: Random): ResolvedConsumerOptions {
  checkOptionNames('Consumer', options, NAMES)
  const { group = 'default', consumerId, prefetch = 'auto' } = options
  return {
    group: checkGroupName(group),
    ...resolveGroupOptions(options),
    lease: Math.ceil(durationOption('lease', options.lease, 30_000, { min: 10, max: 86_400_000 })),
    prefetch: prefetch === 'auto' ? prefetch : numberOption('prefetch', prefetch, 1, { min: 1, max: 4_096 }),
    consumerId:
      consumerId === undefined ? randomId(random) : incarnationOf(checkName('consumer', consumerId), random),
    signal: signalOption('signal', options.signal),
  }
}

/** What was said of a group, checked. */
export function resolveGroupOptions(
  options: GroupOptions,
): Pick<ResolvedConsumerOptions, 'settings' | 'from'> {
  return { settings: resolveSettings(options), from: startOption(options.from) }
}

/** Only what was said: the group decides about the rest. */
function resolveSettings(options: GroupOptions): AskedGroupSettings {
  const { order, maxDeliveries, backoff, deadLetter } = options
  return definedOnly({
    order: choiceOption('order', order, undefined, ['none']),
    maxDeliveries: numberOption('maxDeliveries', maxDeliveries, undefined, { min: 1, max: 1_000 }),
    backoff: backoff === undefined ? undefined : checkBackoff(backoff),
    deadLetter: checkDeadLetter(deadLetter),
  })
}

function checkDeadLetter(value: string | false | undefined): string | false | undefined {
  if (value === undefined || value === false) return value
  if ((value as unknown) === true) throw invalid("'deadLetter' must be a topic's name or false; it is true.")
  return checkTopicName(value)
}

/** What was said of the backoff, checked. */
function checkBackoff(backoff: NonNullable<GroupOptions['backoff']>): Partial<BackoffSettings> {
  checkOptionNames('backoff', backoff, ['initial', 'max', 'factor', 'jitter'])
  const { initial, max, factor, jitter } = backoff
  return definedOnly({
    initial: durationOption('backoff.initial', initial, undefined),
    max: durationOption('backoff.max', max, undefined),
    factor: numberOption('backoff.factor', factor, undefined, { min: 1, whole: false }),
    jitter: numberOption('backoff.jitter', jitter, undefined, { min: 0, max: 1, whole: false }),
  })
}

function startOption(from: GroupOptions['from']): GroupStart | undefined {
  if (from === undefined || from === 'earliest' || from === 'latest') return from
  if (from instanceof Date) return { time: dateOption('from', from) }
  throw invalid(`'from' must be 'earliest', 'latest' or a Date; it is ${describe(from)}.`)
}

/**
 * A name with something of its own for each Consumer: settle requests are numbered from 0, and one that starts again under a name must not be
 * given the answers of the one before.
 */
function incarnationOf(name: string, random: Random): string {
  return `${name}-${randomId(random, 4)}`
}
