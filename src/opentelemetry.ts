/**
 * OpenTelemetry spans for producers and consumers. Needs the optional peer `@opentelemetry/api`, and an SDK that your
 * program has set up.
 *
 * @module portal-mq/opentelemetry
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import {
  type Attributes,
  context,
  propagation,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  type TracerProvider,
  trace,
} from '@opentelemetry/api'
import type { ClientHandle, ClientSend, DiagnosticsMessages } from './runtime/diagnostics.js'

export interface OpenTelemetryOptions {
  /** Makes the spans. @default the global one */
  readonly tracerProvider?: TracerProvider | undefined
}

/**
 * From now on every `send` and `sendBatch` of this process has a producer span, whose context goes along in the messages' headers
 * (`traceparent` and `tracestate`, if W3C's propagator is set up, as SDKs do); and every message that `run` handles has a consumer span, the
 * child of the sender's, in which the handler runs. Without it no header is added. Returns what ends it.
 *
 * @example
 * import { traceWithOpenTelemetry } from 'portal-mq/opentelemetry'
 * const stop = traceWithOpenTelemetry()
 */
export function traceWithOpenTelemetry(options: OpenTelemetryOptions = {}): () => void {
  const tracer = (options.tracerProvider ?? trace).getTracer('portal-mq')
  const stops = [
    listen('portal-mq:client:send', (send) => traceSend(tracer, send)),
    listen('portal-mq:client:handle', (handle) => traceHandle(tracer, handle)),
  ]
  return () => {
    for (const stop of stops) stop()
  }
}

function listen<Name extends keyof DiagnosticsMessages>(
  name: Name,
  listener: (message: DiagnosticsMessages[Name]) => void,
): () => void {
  const onMessage = (message: unknown) => listener(message as DiagnosticsMessages[Name])
  subscribe(name, onMessage)
  return () => unsubscribe(name, onMessage)
}

function traceSend(tracer: Tracer, send: ClientSend): void {
  const span = tracer.startSpan(`send ${send.topic}`, {
    kind: SpanKind.PRODUCER,
    attributes: {
      ...common('send', send.topic),
      ...(send.messages === 1 ? {} : { 'messaging.batch.message_count': send.messages }),
      ...(send.id === undefined ? {} : { 'messaging.message.id': send.id }),
    },
  })
  propagation.inject(trace.setSpan(context.active(), span), send.headers)
  send.onEnd((outcome) => {
    if (outcome.error) fail(span, outcome.error)
    else if (send.messages === 1 && outcome.sent[0]) span.setAttributes(place(outcome.sent[0]))
    span.end()
  })
}

function traceHandle(tracer: Tracer, handled: ClientHandle): void {
  const { topic, group, headers, deliveryCount } = handled
  handled.wrap(async (handle) => {
    const sender = propagation.extract(context.active(), headers)
    const attributes = {
      ...common('process', topic),
      ...place(handled),
      'messaging.consumer.group.name': group,
      'messaging.portal_mq.delivery_count': deliveryCount,
    }
    const span = tracer.startSpan(`process ${topic}`, { kind: SpanKind.CONSUMER, attributes }, sender)
    try {
      await context.with(trace.setSpan(sender, span), handle)
    } catch (error) {
      fail(span, error)
      throw error
    } finally {
      span.end()
    }
  })
}

function common(operation: 'send' | 'process', topic: string): Attributes {
  return {
    'messaging.system': 'portal_mq',
    'messaging.operation.name': operation,
    'messaging.operation.type': operation,
    'messaging.destination.name': topic,
  }
}

function place({ partition, offset }: { readonly partition: number; readonly offset: number }): Attributes {
  return { 'messaging.destination.partition.id': String(partition), 'messaging.portal_mq.offset': offset }
}

function fail(span: Span, error: unknown): void {
  const known = error instanceof Error ? error : new Error(String(error))
  const code = (known as { code?: unknown }).code
  span.recordException(known)
  span.setAttribute('error.type', typeof code === 'string' ? code : known.name)
  span.setStatus({ code: SpanStatusCode.ERROR, message: known.message })
}
