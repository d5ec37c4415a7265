import type { CallOptions, ReceiveRequest, ReceiveResponse } from '../protocol/service.js'
import type { Runtime } from '../runtime/runtime.js'
import { sleepUntil } from '../runtime/wait.js'
import type { Dispatcher, Hint } from './waiters.js'

/** Who was told of work and has not fetched it after so many milliseconds may be gone: the next one is told. */
const FETCHED_WITHIN = 100

/** Leases nothing: resolves when there is something that the consumer could lease, or at the end of its wait. */
export async function waitForWork(
  dispatcher: Dispatcher,
  { consumer, id, wait }: ReceiveRequest,
  { signal }: CallOptions,
  { timers }: Runtime,
): Promise<ReceiveResponse> {
  await sleepUntil<true>(timers, 'receive', { timeout: wait, signal }, (resolve, reject) => {
    const hint: Hint = {
      consumer,
      id,
      tell() {
        resolve(true)
        timers.setTimeout(() => dispatcher.tellHint(), FETCHED_WITHIN)
      },
      fail: reject,
    }
    dispatcher.addHint(hint)
    return () => void dispatcher.hints.delete(hint)
  })
  return { deliveries: [] }
}
