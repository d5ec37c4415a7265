import { MESSAGE_INPUT, MESSAGE_OUTPUT } from '../message-json.js'
import type { Schema } from '../schema.js'
import {
  CLUSTER,
  EXPLANATION,
  GROUP,
  GROUP_IN_FORCE,
  GROUP_SUMMARY,
  JOINED,
  PLACEMENT,
  RECEIVED,
  SENT,
  TOPIC,
  TOPIC_SUMMARY,
} from './answer-schemas.js'
import { PROBLEM } from './schemas.js'

/** What is written once in the description, and referred to. */
export const NAMED_SCHEMAS: ReadonlyMap<Schema, string> = new Map([
  [MESSAGE_INPUT, 'NewMessage'],
  [SENT, 'Sent'],
  [RECEIVED, 'ReceivedMessage'],
  [MESSAGE_OUTPUT, 'Message'],
  [TOPIC, 'Topic'],
  [TOPIC_SUMMARY, 'TopicSummary'],
  [GROUP, 'Group'],
  [GROUP_SUMMARY, 'GroupSummary'],
  [GROUP_IN_FORCE, 'GroupSettings'],
  [JOINED, 'JoinedGroup'],
  [EXPLANATION, 'Explanation'],
  [CLUSTER, 'Cluster'],
  [PLACEMENT, 'Placement'],
  [PROBLEM, 'Problem'],
])
