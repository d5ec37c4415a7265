import { checkTopicName } from '../../../core/names.js'
import type { TopicConfig, TopicPatch } from '../../../protocol/topics.js'
import { json } from '../exchange.js'
import type { Route } from '../route.js'
import { ROUTE, TOPIC, TOPIC_SUMMARY } from './answer-schemas.js'
import { done } from './done.js'
import { topicNameOf } from './names.js'
import {
  answer,
  JSON_TYPE,
  LONGEST_WAIT,
  NOTHING,
  POSITIVE,
  record,
  TOPIC_SETTINGS,
  WAIT,
} from './schemas.js'

const tag = 'Topics'
const CONFIG = { partitions: POSITIVE, replicas: POSITIVE, minInSync: POSITIVE, ...TOPIC_SETTINGS }

export const topicRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/topics',
    id: 'listTopics',
    tag,
    summary: 'All topics, by name.',
    answers: {
      200: answer(
        'The topics that the caller may do something with.',
        record({ topics: { type: 'array', items: TOPIC_SUMMARY } }),
      ),
    },
    handle: async ({ service, call }) => json({ topics: await service.listTopics(call) }),
  },
  {
    method: 'POST',
    path: '/topics',
    id: 'createTopic',
    tag,
    summary: 'Makes a topic.',
    body: {
      [JSON_TYPE]: {
        type: 'object',
        required: ['name'],
        additionalProperties: false,
        properties: { name: { type: 'string' }, ...CONFIG },
        examples: [{ name: 'orders', partitions: 4 }],
      },
    },
    answers: { 201: answer('The topic.', TOPIC) },
    async handle(context) {
      const { name, ...config } = (await context.json()) as { name: string } & Partial<TopicConfig>
      const topic = await context.service.createTopic({ name: checkTopicName(name), config }, context.call)
      return json(topic, 201, { location: `/topics/${name}` })
    },
  },
  {
    method: 'GET',
    path: '/topics/{topic}',
    id: 'describeTopic',
    tag,
    summary: "A topic's configuration, and for each partition its leader, offsets, messages and bytes.",
    answers: { 200: answer('The topic.', TOPIC) },
    handle: async (context) =>
      json(await context.service.describeTopic({ name: topicNameOf(context) }, context.call)),
  },
  {
    method: 'PATCH',
    path: '/topics/{topic}',
    id: 'updateTopic',
    tag,
    summary: 'Changes the retention, the largest message or the deduplication; null takes a limit away.',
    body: {
      [JSON_TYPE]: {
        type: 'object',
        additionalProperties: false,
        properties: TOPIC_SETTINGS,
        examples: [{ retention: { age: 86_400_000 } }],
      },
    },
    answers: { 200: answer('The topic as it is now.', TOPIC) },
    async handle(context) {
      const patch = (await context.json()) as TopicPatch
      return json(await context.service.updateTopic({ name: topicNameOf(context), patch }, context.call))
    },
  },
  {
    method: 'DELETE',
    path: '/topics/{topic}',
    id: 'deleteTopic',
    tag,
    summary: 'Deletes a topic with all its messages and groups.',
    answers: { 204: NOTHING },
    handle: done((context) => context.service.deleteTopic({ name: topicNameOf(context) }, context.call)),
  },
  {
    method: 'PUT',
    path: '/topics/{topic}/partitions',
    id: 'addPartitions',
    tag,
    summary: 'Raises the number of partitions.',
    body: {
      [JSON_TYPE]: {
        type: 'object',
        required: ['partitions'],
        additionalProperties: false,
        properties: { partitions: POSITIVE },
        examples: [{ partitions: 8 }],
      },
    },
    answers: { 200: answer('The topic as it is now.', TOPIC) },
    async handle(context) {
      const { partitions } = (await context.json()) as { partitions: number }
      return json(
        await context.service.addPartitions({ name: topicNameOf(context), partitions }, context.call),
      )
    },
  },
  {
    method: 'GET',
    path: '/topics/{topic}/route',
    id: 'findTopic',
    tag,
    summary: 'What clients route by; waits for a topic that is not there yet, or makes it.',
    query: {
      create: { type: 'boolean', description: 'Make it with the defaults if it is missing.' },
      wait: { ...WAIT, maximum: LONGEST_WAIT },
    },
    answers: { 200: answer('Its id, and how many partitions it has.', ROUTE) },
    async handle(context) {
      const { create, wait } = context.query as { create?: boolean; wait?: number }
      return json(await context.service.findTopic({ name: topicNameOf(context), create, wait }, context.call))
    },
  },
]
