import { PortalError } from '../../../core/errors.js'
import { partitionForKey } from '../../../core/murmur2.js'
import { checkTopicName } from '../../../core/names.js'
import { RecordBatchBuilder, type RecordInput } from '../../../core/record-batch-builder.js'
import { encodeUtf8 } from '../../../core/utf8.js'
import type { ProduceBatch, ProduceResult, TopicRoute } from '../../../protocol/service.js'
import { decodeProduceRequest, encodeProduceResponse } from '../../../protocol/wire/produce.js'
import { WIRE_TYPE } from '../../../protocol/wire/wire.js'
import { binary, type HttpResponse, json } from '../exchange.js'
import { MESSAGE_INPUT, type MessageInput, toRecordInput } from '../message-json.js'
import { unpack } from '../packing.js'
import { parseJson } from '../request-context.js'
import type { Context, Route } from '../route.js'
import { checkSchema } from '../schema.js'
import { REFUSED, SENT } from './answer-schemas.js'
import { topicNameOf } from './names.js'
import { answer, COUNT, JSON_TYPE, NDJSON_TYPE, record } from './schemas.js'

const tag = 'Messages'
const MOST = 10_000

export const publishRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/topics/{topic}/messages',
    id: 'publish',
    tag,
    summary: 'Stores one message, or several.',
    description:
      'JSON: one message `{"value": …, "key": …}`, or `{"messages": […]}`. NDJSON: a message on each line. Any other type: the body is the value, as text if the type begins with text/, else as bytes; key, id and partition are query parameters. A topic that does not exist is made. Answers come when everything is on the disk; a message with an `id` may be sent again.',
    query: {
      key: { type: 'string' },
      id: { type: 'string', minLength: 1, maxLength: 256 },
      partition: COUNT,
    },
    body: {
      [JSON_TYPE]: {
        anyOf: [
          MESSAGE_INPUT,
          {
            type: 'object',
            required: ['messages'],
            additionalProperties: false,
            properties: { messages: { type: 'array', items: MESSAGE_INPUT, minItems: 1, maxItems: MOST } },
          },
        ],
        examples: [{ value: { celsius: 21.4 }, key: 'sensor-1' }],
      },
      [NDJSON_TYPE]: MESSAGE_INPUT,
      'text/plain': { type: 'string' },
      '*/*': undefined,
    },
    answers: {
      201: answer('Where the message is stored; for several, `{"messages": […]}`, in their order.', {
        anyOf: [SENT, record({ messages: { type: 'array', items: SENT } })],
      }),
      207: answer(
        'Some could not be stored: `error` says why, in their places.',
        record({ messages: { type: 'array', items: { anyOf: [SENT, REFUSED] } } }),
      ),
    },
    handle: publish,
  },
  {
    method: 'POST',
    path: '/messages',
    id: 'produce',
    tag: 'Batches',
    summary: 'Stores record batches of several partitions.',
    body: { [WIRE_TYPE]: undefined },
    answers: { 200: { description: 'An outcome for each batch.', content: { [WIRE_TYPE]: undefined } } },
    async handle(context) {
      const { acks, batches } = decodeProduceRequest(await context.bytes())
      const isPacked = batches.some(({ packing }) => packing !== 0)
      const unpacked = isPacked ? await unpack(batches, context.maxBodyBytes) : batches
      const request = { acks, batches: unpacked.map(ownBytes) }
      return binary(WIRE_TYPE, encodeProduceResponse(await context.service.produce(request, context.call)))
    },
  },
]

/** A small part of a large body would keep all of it in memory for as long as the broker keeps the part. */
function ownBytes(batch: ProduceBatch): ProduceBatch {
  const { topicId, partition, records } = batch
  const isMost = records.byteLength * 2 >= records.buffer.byteLength
  return { topicId, partition, records: isMost ? records : new Uint8Array(records) }
}

async function publish(context: Context): Promise<HttpResponse> {
  const { inputs, isOne } = await readInputs(context)
  const name = checkTopicName(topicNameOf(context))
  const now = context.runtime.clock.now()
  const records = inputs.map((input) => toRecordInput(input, now))
  const topic = await context.service.findTopic({ name, create: true }, context.call)
  const cut = cutBatches(topic, inputs, records, context)
  const { results } = await context.service.produce({ acks: 'all', batches: cut.batches }, context.call)
  return answerOf(cut, results, records, isOne)
}

async function readInputs(
  context: Context,
): Promise<{ readonly inputs: readonly MessageInput[]; readonly isOne: boolean }> {
  if (context.type === JSON_TYPE) {
    const body = (await context.json()) as MessageInput & { readonly messages?: readonly MessageInput[] }
    if (body.messages) return { inputs: withDefaults(body.messages, context), isOne: false }
    return { inputs: [{ ...(context.query as Partial<MessageInput>), ...body }], isOne: true }
  }
  if (context.type === 'application/x-www-form-urlencoded') {
    throw new PortalError(
      'UNSUPPORTED',
      "A form cannot be published. With curl say what it is: -H 'content-type: application/json' for JSON, text/plain for text.",
    )
  }
  const bytes = await context.bytes()
  if (context.type === NDJSON_TYPE) return { inputs: withDefaults(readLines(bytes), context), isOne: false }
  const value = context.type.startsWith('text/') ? decodeText(bytes) : bytes
  return { inputs: [{ ...(context.query as Partial<MessageInput>), value }], isOne: true }
}

/** What the query says holds for all that say nothing else; an id is one message's own. */
function withDefaults(inputs: readonly MessageInput[], { query }: Context): readonly MessageInput[] {
  const { id, ...defaults } = query as Partial<MessageInput>
  if (id === undefined) return inputs.map((input) => ({ ...defaults, ...input }))
  throw new PortalError(
    'INVALID_ARGUMENT',
    'One id cannot stand for several messages: give each its own, in the body.',
  )
}

function readLines(bytes: Uint8Array): MessageInput[] {
  const inputs: MessageInput[] = []
  for (let start = 0, line = 1; start < bytes.length; line++) {
    const end = bytes.indexOf(10, start)
    const stop = end < 0 ? bytes.length : end
    const piece = bytes.subarray(start, stop)
    start = stop + 1
    if (piece.every((byte) => byte === 32 || byte === 13 || byte === 9)) continue
    const input = parseJson(piece)
    checkSchema(MESSAGE_INPUT, input, `Line ${line}`)
    inputs.push(input as MessageInput)
    if (inputs.length > MOST)
      throw new PortalError('MESSAGE_TOO_LARGE', `At most ${MOST} messages can be sent in one request.`)
  }
  if (inputs.length === 0) throw new PortalError('INVALID_ARGUMENT', 'The body holds no message.')
  return inputs
}

function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new PortalError('INVALID_ARGUMENT', 'The body is not UTF-8.')
  }
}

interface CutBatches {
  readonly batches: ProduceBatch[]
  /** For each batch, the places of its messages in the request. */
  readonly places: number[][]
}

/** Each message in its partition's batches, in order. */
function cutBatches(
  topic: TopicRoute,
  inputs: readonly MessageInput[],
  records: readonly RecordInput[],
  { runtime }: Context,
): CutBatches {
  const batches: ProduceBatch[] = []
  const places: number[][] = []
  const open = new Map<number, { builder: RecordBatchBuilder; places: number[]; isAlone: boolean }>()
  const close = (partition: number) => {
    const batch = open.get(partition)
    if (!batch) return
    batches.push({ topicId: topic.topicId, partition, records: batch.builder.seal('', 0, 0) })
    places.push(batch.places)
  }
  // Those that say nothing of where they belong stay together.
  const any = Math.floor(runtime.random.float() * topic.partitions)
  records.forEach((record, place) => {
    const partition = choosePartition(topic, inputs[place]!, any)
    let batch = open.get(partition)
    // A batch is refused as a whole: one that may be too large takes no neighbour along.
    const isAlone = mayExceed(topic.maxMessageBytes, record)
    if (isAlone || batch?.isAlone || !batch?.builder.tryAppend(record)) {
      close(partition)
      batch = { builder: new RecordBatchBuilder(runtime.crc32), places: [], isAlone }
      batch.builder.tryAppend(record)
      open.set(partition, batch)
    }
    batch.places.push(place)
  })
  for (const partition of open.keys()) close(partition)
  return { batches, places }
}

/** Whether a record, whose encoding takes three bytes a character at most, could pass the limit. */
function mayExceed(limit: number, { value, key, id, headers = {} }: RecordInput): boolean {
  let most = 64 + 3 * (value.length + (key?.length ?? 0) + (id?.length ?? 0))
  for (const [name, text] of Object.entries(headers)) most += 16 + 3 * (name.length + text.length)
  return most > limit
}

function choosePartition(topic: TopicRoute, input: MessageInput, any: number): number {
  const { partition } = input
  if (partition === undefined) {
    const key = input.key ?? input.id
    return key === undefined ? any : partitionForKey(encodeUtf8(key), topic.partitions)
  }
  if (partition < topic.partitions) return partition
  throw new PortalError(
    'INVALID_ARGUMENT',
    `Topic ${topic.name} has partitions 0 to ${topic.partitions - 1}, not ${partition}. Nothing was sent.`,
  )
}

function answerOf(
  { batches, places }: CutBatches,
  results: readonly ProduceResult[],
  records: readonly RecordInput[],
  isOne: boolean,
): HttpResponse {
  const sent: object[] = new Array(records.length)
  let failed: PortalError | undefined
  results.forEach((result, at) => {
    if (result.error !== undefined) {
      failed ??= result.error
      const { code, message: detail, retriable } = result.error
      for (const place of places[at]!) sent[place] = { error: { code, detail, retriable } }
      return
    }
    let next = 0
    for (let run = 0; run < result.runs.length; run += 3) {
      for (let count = 0; count < result.runs[run]!; count++) {
        const place = places[at]![next++]!
        const offset = result.runs[run + 1]! + count
        const duplicate = result.runs[run + 2] === 1
        sent[place] = {
          partition: batches[at]!.partition,
          offset,
          timestamp: records[place]!.timestamp,
          duplicate,
        }
      }
    }
  })
  if (isOne) {
    if (failed) throw failed
    return json(sent[0], 201)
  }
  if (failed && sent.every((one) => 'error' in one)) throw failed
  return json({ messages: sent }, failed ? 207 : 201)
}
