import { PortalError } from '../../../core/errors.js'
import { checkTopicName } from '../../../core/names.js'
import type { Position } from '../../../protocol/service.js'
import type { Context } from '../route.js'

/** A topic in a path: a name, or `~` and an id, which no topic that is made again under the name will have. */
export async function topicIdOf(context: Context): Promise<string> {
  const topic = context.params.topic!
  if (topic.startsWith('~')) return topic.slice(1)
  return (await context.service.findTopic({ name: checkTopicName(topic) }, context.call)).topicId
}

/** The topic's name in the path, where only a name will do. */
export function topicNameOf({ params }: Context): string {
  return checkTopicName(params.topic)
}

export function groupNameOf({ params }: Context): { readonly topic: string; readonly group: string } {
  return { topic: checkTopicName(params.topic), group: params.group! }
}

/** A whole number in a path. */
export function numberOf(context: Context, name: string): number {
  const text = context.params[name]!
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new PortalError('INVALID_ARGUMENT', `'${text.slice(0, 64)}' in the path must be a whole number.`)
}

/** Throws INVALID_ARGUMENT. */
export function toPosition(at: unknown): Position {
  if (at === 'earliest' || at === 'latest') return at
  if (typeof at === 'number') return { offset: at }
  const text = String(at)
  if (/^\d{1,15}$/.test(text)) return { offset: Number(text) }
  // Date.parse alone takes '-1' for a year.
  const time = /^(\d{4}|[+-]\d{6})-\d/.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(time)) return { time }
  throw new PortalError(
    'INVALID_ARGUMENT',
    `'${text.slice(0, 64)}' is no position: give an offset, earliest, latest, or a time in ISO 8601.`,
  )
}
