import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { afterEach, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { type Broker, Consumer, type Message, Producer } from '../../src/index.js'
import { traceWithOpenTelemetry } from '../../src/opentelemetry.js'
import { openBroker } from './support/broker.js'

const exporter = new InMemorySpanExporter()
beforeAll(() => {
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
  provider.register({ contextManager: new AsyncLocalStorageContextManager().enable() })
})
beforeEach(() => exporter.reset())

let stop: (() => void) | undefined
afterEach(() => {
  stop?.()
  stop = undefined
})

/** Handles the messages of `orders` until so many have been settled. */
async function handle(broker: Broker, count: number, handler: (attempt: number) => void): Promise<void> {
  const consumer = new Consumer(broker, 'orders', { group: 'billing', backoff: { initial: 0 } })
  onTestFinished(() => consumer.close())
  let attempts = 0
  await consumer.run(async () => {
    if (++attempts === count) void consumer.drain()
    handler(attempts)
  })
}

async function receiveTwo(consumer: Consumer): Promise<[Message, Message]> {
  const messages = [await consumer.receive(), await consumer.receive()] as [Message, Message]
  for (const message of messages) await message.ack()
  await consumer.close()
  return messages
}

function spansOf(kind: SpanKind): ReadableSpan[] {
  return exporter.getFinishedSpans().filter((span) => span.kind === kind)
}

test('a handler runs in a span that is the child of the span of its send', async () => {
  stop = traceWithOpenTelemetry()
  const broker = await openBroker()
  const tracer = trace.getTracer('test')
  const { offset } = await tracer.startActiveSpan('request', async (span) => {
    const sent = await new Producer(broker).send('orders', 1, { id: 'one' })
    span.end()
    return sent
  })
  await handle(broker, 1, () => tracer.startSpan('inner').end())

  const [request, inner] = ['request', 'inner'].map(
    (name) => exporter.getFinishedSpans().find((span) => span.name === name)!,
  )
  const [send] = spansOf(SpanKind.PRODUCER)
  const [process] = spansOf(SpanKind.CONSUMER)
  expect([send!.name, process!.name]).toEqual(['send orders', 'process orders'])
  expect(new Set([request, send, process, inner].map((span) => span!.spanContext().traceId)).size).toBe(1)
  expect(send!.parentSpanId).toBe(request!.spanContext().spanId)
  expect(process!.parentSpanId).toBe(send!.spanContext().spanId)
  expect(inner!.parentSpanId).toBe(process!.spanContext().spanId)
  expect(send!.attributes).toMatchObject({
    'messaging.system': 'portal_mq',
    'messaging.operation.type': 'send',
    'messaging.destination.name': 'orders',
    'messaging.destination.partition.id': '0',
    'messaging.portal_mq.offset': offset,
    'messaging.message.id': 'one',
  })
  expect(process!.attributes).toMatchObject({
    'messaging.operation.type': 'process',
    'messaging.consumer.group.name': 'billing',
    'messaging.portal_mq.delivery_count': 1,
  })
})

test('a batch has one span, and all its messages carry its context beside their own headers', async () => {
  stop = traceWithOpenTelemetry()
  const broker = await openBroker()
  await new Producer(broker).sendBatch('orders', [{ value: 1, headers: { source: 'web' } }, { value: 2 }])
  const consumer = new Consumer(broker, 'orders')
  const [first, second] = await receiveTwo(consumer)
  const [send] = spansOf(SpanKind.PRODUCER)
  expect(spansOf(SpanKind.PRODUCER)).toHaveLength(1)
  expect(send!.attributes).toMatchObject({ 'messaging.batch.message_count': 2 })
  const { traceId, spanId } = send!.spanContext()
  expect(first.headers).toEqual({ source: 'web', traceparent: `00-${traceId}-${spanId}-01` })
  expect(second.headers).toEqual({ traceparent: `00-${traceId}-${spanId}-01` })
})

test('a handler that throws and a send that is refused end their spans with the error', async () => {
  stop = traceWithOpenTelemetry()
  const broker = await openBroker()
  const producer = new Producer(broker)
  await producer.send('orders', 1)
  await handle(broker, 2, (attempt) => {
    if (attempt === 1) throw new TypeError('no')
  })
  await expect(producer.send('orders', () => {})).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  expect(
    spansOf(SpanKind.CONSUMER).map(({ status, attributes }) => [status.code, attributes['error.type']]),
  ).toEqual([
    [SpanStatusCode.ERROR, 'TypeError'],
    [SpanStatusCode.UNSET, undefined],
  ])
  expect(spansOf(SpanKind.PRODUCER).at(-1)!.attributes['error.type']).toBe('INVALID_ARGUMENT')
})

test('without the subscriber, and after it has stopped, no header is added', async () => {
  const broker = await openBroker()
  const producer = new Producer(broker)
  await producer.send('orders', 1)
  traceWithOpenTelemetry()()
  await producer.send('orders', 2, { headers: { own: '1' } })
  const consumer = new Consumer(broker, 'orders')
  const headers = (await receiveTwo(consumer)).map((message) => message.headers)
  expect(headers).toEqual([{}, { own: '1' }])
  expect(exporter.getFinishedSpans()).toEqual([])
})
