import { isPortalError, PortalError } from '../../core/errors.js'
import { everyCall } from '../../protocol/every-call.js'
import type { BrokerService } from '../../protocol/service.js'

/** A topic as a request names it. */
export type NamedTopic = { readonly topicId: string } | { readonly name: string }

/**
 * Says DISCONNECTED instead of TOPIC_NOT_FOUND to whoever asks for a topic that `isThere`, or of which that cannot be known now: this broker has not been told
 * of it yet, and another one has, or will soon. Its callers would take it for deleted.
 */
export function onceTold(
  service: BrokerService,
  isThere: (topic: NamedTopic) => Promise<boolean>,
): BrokerService {
  async function explain(error: unknown, request: unknown): Promise<never> {
    const topic = isPortalError(error, 'TOPIC_NOT_FOUND') ? namedIn(request) : undefined
    // Rejects with DISCONNECTED if nobody can say.
    if (topic && (await isThere(topic))) throw notTold()
    throw error
  }
  async function* explained(...args: Parameters<BrokerService['receiveStream']>) {
    try {
      yield* service.receiveStream(...args)
    } catch (error) {
      await explain(error, args[0])
    }
  }
  const calls = everyCall(
    service,
    (call) =>
      (...args) =>
        call(...args).catch((error: unknown) => explain(error, args[0])),
  )
  return { ...calls, receiveStream: explained }
}

function namedIn(request: unknown): NamedTopic | undefined {
  const { topicId, topic, name = topic } = (request ?? {}) as Record<string, unknown>
  if (typeof topicId === 'string') return { topicId }
  return typeof name === 'string' ? { name } : undefined
}

function notTold(): PortalError<'DISCONNECTED'> {
  return new PortalError(
    'DISCONNECTED',
    'This broker has not been told of the topic yet: ask another, or again in a moment.',
  )
}
