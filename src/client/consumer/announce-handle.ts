import { clientDiagnostics } from '../../runtime/diagnostics.js'
import type { Message } from './message.js'

/** Tells that a handler is about to be called, and calls it within what subscribers wrapped around it. */
export async function announceHandle(
  message: Message,
  group: string,
  handler: (message: Message) => unknown,
): Promise<void> {
  let handle = async (): Promise<void> => {
    await handler(message)
  }
  const { topic, partition, offset, headers, deliveryCount } = message
  clientDiagnostics.handle.publish({
    topic,
    group,
    partition,
    offset,
    headers,
    deliveryCount,
    wrap(wrapper) {
      const inner = handle
      handle = () => wrapper(inner)
    },
  })
  await handle()
}
