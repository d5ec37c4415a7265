import { abortedError, type PortalError } from '../../core/errors.js'
import { pause, retryDelay } from '../backoff.js'
import { asPortalError } from '../client-side.js'
import type { Engine } from './engine.js'
import { State } from './held-batch.js'
import type { Message } from './message.js'
import type { Session } from './session.js'
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
  const stop = eitherSignal(engine.ending, signal)
  const deadline = timeout === undefined ? undefined : engine.now() + timeout
  const { runtime } = engine.side
  try {
    for (let failures = 1; ; failures++) {
      let session: Session | undefined
      try {
        session = engine.sessions.current ?? (await joinUntil(engine, deadline, stop.signal))
        if (session === undefined) return null
        const wait = deadline === undefined ? undefined : Math.max(0, deadline - engine.now())
        const response = await engine.receive(
          session,
          { maxMessages: 1, maxBytes: MOST_BYTES, wait },
          stop.signal,
        )
        failures = 0
        const [batch] = engine.hold(session, response)
        if (batch !== undefined && !stop.signal.aborted) return engine.handOut(batch) ?? null
        if (batch !== undefined) engine.release(batch, State.buffered)
      } catch (thrown) {
        const error = asPortalError(thrown)
        if (!stop.signal.aborted && !engine.survives(session, error)) throw error
      }
      if (engine.ending.aborted) throw engine.ending.reason as PortalError
      if (signal?.aborted) throw abortedError('Receiving', signal)
      const left = deadline === undefined ? Number.POSITIVE_INFINITY : deadline - engine.now()
      if (left <= 0) return null
      if (failures > 0)
        await pause(runtime.timers, Math.min(left, retryDelay(failures, runtime.random)), stop.signal)
    }
  } finally {
    stop.dispose()
  }
}

/** The session, or undefined at the deadline. Rejects when the signal aborts. */
function joinUntil(
  engine: Engine,
  deadline: number | undefined,
  signal: AbortSignal,
): Promise<Session | undefined> {
  return new Promise((resolve, reject) => {
    const wait = deadline === undefined ? undefined : Math.max(0, deadline - engine.now())
    const end = (): void => {
      done()
      resolve(undefined)
    }
    const aborted = (): void => {
      done()
      reject(signal.reason)
    }
    const timer = wait === undefined ? undefined : engine.side.runtime.timers.setTimeout(end, wait)
    const done = (): void => {
      timer?.cancel()
      signal.removeEventListener('abort', aborted)
    }
    if (signal.aborted) return aborted()
    signal.addEventListener('abort', aborted, { once: true })
    engine.sessions.join().then(
      (session) => {
        done()
        resolve(session)
      },
      (error) => {
        done()
        reject(error)
      },
    )
  })
}

interface JoinedSignal {
  readonly signal: AbortSignal
  dispose(): void
}

/** A signal that aborts with either; `dispose` forgets both. */
function eitherSignal(one: AbortSignal, other: AbortSignal | undefined): JoinedSignal {
  if (other === undefined) return { signal: one, dispose() {} }
  const controller = new AbortController()
  const abort = (): void => controller.abort()
  if (one.aborted || other.aborted) abort()
  one.addEventListener('abort', abort, { once: true })
  other.addEventListener('abort', abort, { once: true })
  return {
    signal: controller.signal,
    dispose() {
      one.removeEventListener('abort', abort)
      other.removeEventListener('abort', abort)
    },
  }
}
