import { type Broker, createBroker } from '../index.js'

/** Opens the broker of a directory for as long as `work` takes. */
export async function withBroker<T>(directory: string, work: (broker: Broker) => Promise<T>): Promise<T> {
  const broker = await createBroker({ directory })
  try {
    return await work(broker)
  } finally {
    await broker.close()
  }
}

/** A signal that aborts at the first SIGINT or SIGTERM: what is in hand is finished; a second one ends at once. */
export function interruption(): { readonly signal: AbortSignal; stop(): void } {
  const controller = new AbortController()
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(130)
    controller.abort()
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  return {
    signal: controller.signal,
    stop() {
      process.off('SIGINT', onSignal)
      process.off('SIGTERM', onSignal)
    },
  }
}
