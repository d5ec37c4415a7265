import { PortalError } from '../../../core/errors.js'
import type { AskedGroupSettings, GroupPatch, GroupStart } from '../../../protocol/groups.js'
import { json } from '../exchange.js'
import type { Context, Route } from '../route.js'
import { EXPLANATION, GROUP, GROUP_SUMMARY, JOINED } from './answer-schemas.js'
import { done } from './done.js'
import { groupNameOf, toPosition, topicNameOf } from './names.js'
import { answer, COUNT, GROUP_SETTINGS, JSON_TYPE, NOTHING, POSITION, record } from './schemas.js'

const tag = 'Groups'

/** What a group's first consumer says of it. */
export interface JoinInput extends AskedGroupSettings {
  readonly from?: string | number | undefined
  readonly create?: boolean | undefined
}

export const JOIN: Readonly<Record<string, (typeof GROUP_SETTINGS)[string]>> = {
  ...GROUP_SETTINGS,
  from: { ...POSITION, description: 'Where a new group begins: earliest, latest, or a time in ISO 8601.' },
}

export const groupRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/topics/{topic}/groups',
    id: 'listGroups',
    tag,
    summary: 'The groups of a topic, by name, with their lag.',
    answers: { 200: answer('The groups.', record({ groups: { type: 'array', items: GROUP_SUMMARY } })) },
    handle: async (context) =>
      json({ groups: await context.service.listGroups({ topic: topicNameOf(context) }, context.call) }),
  },
  {
    method: 'GET',
    path: '/topics/{topic}/groups/{group}',
    id: 'describeGroup',
    tag,
    summary:
      "A group's settings, and for each partition its floor, lag, messages in flight, retrying, members.",
    answers: { 200: answer('The group.', GROUP) },
    handle: async (context) => json(await context.service.describeGroup(groupNameOf(context), context.call)),
  },
  {
    method: 'PUT',
    path: '/topics/{topic}/groups/{group}',
    id: 'joinGroup',
    tag,
    summary: 'Makes the group if there is none; settings that are named must be those in force.',
    bodyOptional: true,
    body: {
      [JSON_TYPE]: {
        type: 'object',
        additionalProperties: false,
        properties: {
          ...JOIN,
          create: { type: 'boolean', description: 'false: a group that is not there is not made.' },
        },
        examples: [{ maxDeliveries: 3, from: 'latest' }],
      },
    },
    answers: { 200: answer("The topic's id and partitions, the group's generation and settings.", JOINED) },
    async handle(context) {
      const { from, create = true, ...settings } = ((await context.json()) ?? {}) as JoinInput
      return json(await join(context, settings, from, create))
    },
  },
  {
    method: 'PATCH',
    path: '/topics/{topic}/groups/{group}',
    id: 'updateGroup',
    tag,
    summary: "Changes a group's settings, for all its consumers.",
    body: {
      [JSON_TYPE]: {
        type: 'object',
        additionalProperties: false,
        properties: {
          maxDeliveries: GROUP_SETTINGS.maxDeliveries!,
          backoff: GROUP_SETTINGS.backoff!,
          deadLetter: GROUP_SETTINGS.deadLetter!,
        },
        examples: [{ maxDeliveries: 10 }],
      },
    },
    answers: { 200: answer('The group as it is now.', GROUP) },
    async handle(context) {
      const patch = (await context.json()) as GroupPatch
      return json(await context.service.updateGroup({ ...groupNameOf(context), patch }, context.call))
    },
  },
  {
    method: 'DELETE',
    path: '/topics/{topic}/groups/{group}',
    id: 'deleteGroup',
    tag,
    summary: 'Deletes a group and what it has settled.',
    answers: { 204: NOTHING },
    handle: done((context) => context.service.deleteGroup(groupNameOf(context), context.call)),
  },
  {
    method: 'POST',
    path: '/topics/{topic}/groups/{group}/pause',
    id: 'pauseGroup',
    tag,
    summary: 'Hands out no more messages until the group is resumed.',
    answers: { 204: NOTHING },
    handle: done((context) => context.service.pauseGroup(groupNameOf(context), context.call)),
  },
  {
    method: 'POST',
    path: '/topics/{topic}/groups/{group}/resume',
    id: 'resumeGroup',
    tag,
    summary: 'Hands out messages again.',
    answers: { 204: NOTHING },
    handle: done((context) => context.service.resumeGroup(groupNameOf(context), context.call)),
  },
  {
    method: 'POST',
    path: '/topics/{topic}/groups/{group}/seek',
    id: 'seekGroup',
    tag,
    summary: 'Moves a group: messages from there on are delivered (again).',
    body: {
      [JSON_TYPE]: {
        type: 'object',
        required: ['to'],
        additionalProperties: false,
        properties: { to: POSITION },
        examples: [{ to: 'earliest' }],
      },
    },
    answers: { 204: NOTHING },
    handle: done(async (context) => {
      const { to } = (await context.json()) as { to: unknown }
      await context.service.seekGroup({ ...groupNameOf(context), to: toPosition(to) }, context.call)
    }),
  },
  {
    method: 'GET',
    path: '/topics/{topic}/groups/{group}/explain',
    id: 'explain',
    tag,
    summary: 'Why a message is not delivered to a group, in words.',
    query: { partition: COUNT, offset: COUNT },
    answers: { 200: answer('A state, a sentence, and when it changes by itself.', EXPLANATION) },
    async handle(context) {
      const { partition = 0, offset = 0 } = context.query as { partition?: number; offset?: number }
      return json(await context.service.explain({ ...groupNameOf(context), partition, offset }, context.call))
    },
  },
]

export function join(
  context: Context,
  settings: AskedGroupSettings,
  from: string | number | undefined,
  create: boolean,
) {
  const { topic, group } = groupNameOf(context)
  return context.service.joinGroup({ topic, group, settings, from: toStart(from), create }, context.call)
}

function toStart(from: string | number | undefined): GroupStart | undefined {
  if (from === undefined) return undefined
  const position = toPosition(from)
  if (typeof position === 'string' || 'time' in position) return position
  throw new PortalError(
    'INVALID_ARGUMENT',
    'A group begins at earliest, latest or a time: an offset means another message in each partition. Seek it there.',
  )
}
