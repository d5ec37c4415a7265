import { abortedError, type PortalError } from '../../core/errors.js'
import { pause, retryDelay } from '../backoff.js'
import { asPortalError } from '../client-side.js'
import { eitherSignal, within } from '../signals.js'
import type { Engine } from './engine.js'
import type { Message } from './message.js'
import * as State from './message-state.js'
import { MOST_BYTES } from './window.js'

export interface ReceiveOptions {
  /** Milliseconds to wait; 0: not at all. @default none: until there is one */
  readonly timeout?: number | undefined
  /** Ends the wait with ABORTED; a message that was on its way is given back. @default none */
  readonly signal?: AbortSignal | undefined
}

/** Asks for exactly one message, and sleeps until it comes. Null: it did not within `timeout`. */
export async function receiveOne(
  engine: Engine,
  timeout: number | undefined,
  signal: AbortSignal | undefined,
): Promise<Message | null> {
  const { holdings, side } = engine
  const { runtime } = side
  const stop = eitherSignal(engine.ending, signal)
  const deadline = holdings.now() + (timeout ?? Number.POSITIVE_INFINITY)
  const left = () => Math.max(0, deadline - holdings.now())
  try {
    for (let failures = 1; ; failures++) {
      let session = engine.sessions.current
      try {
        session ??= await within(runtime.timers, left(), engine.sessions.join(), stop.signal)
        if (session !== undefined) {
          const wait = timeout === undefined ? undefined : left()
          const wanted = { maxMessages: 1, maxBytes: MOST_BYTES, wait }
          const response = await engine.fetcher.receive(session, wanted, stop.signal)
          failures = 0
          const [batch] = engine.hold(session, response)
          if (batch !== undefined && !stop.signal.aborted) return holdings.handOut(batch) ?? null
          if (batch !== undefined) holdings.release(batch, State.buffered)
        }
      } catch (thrown) {
        const error = asPortalError(thrown)
        if (!stop.signal.aborted && !engine.fetcher.survives(session, error)) throw error
      }
      if (engine.ending.aborted) throw engine.ending.reason as PortalError
      if (signal?.aborted) throw abortedError('Receiving', signal)
      if (left() === 0) return null
      if (failures > 0)
        await pause(runtime.timers, Math.min(left(), retryDelay(failures, runtime.random)), stop.signal)
    }
  } finally {
    stop.dispose()
  }
}
