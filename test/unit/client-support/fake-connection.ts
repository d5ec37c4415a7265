import { PortalError } from '../../../src/core/errors.js'
import { type ClientSide, CONNECTION, type Connection } from '../../../src/protocol/connection.js'
import type { BrokerService } from '../../../src/protocol/service.js'
import { type VirtualRuntime, virtualRuntime } from '../../../src/runtime/virtual.js'

export interface LogLine {
  readonly level: string
  readonly fields: object
  readonly message: string
}

export interface FakeConnection extends Connection {
  readonly runtime: VirtualRuntime
  readonly log: LogLine[]
  /** As a broker does when it closes. */
  closeBroker(): void
}

/** A connection to a service of which only some methods are there, on virtual time. */
export function fakeConnection(
  service: Partial<BrokerService>,
  runtime: VirtualRuntime = virtualRuntime(),
  leaderOf?: ClientSide['leaderOf'],
): FakeConnection {
  const closed = new AbortController()
  const log: LogLine[] = []
  const at = (level: string) => (fields: object, message: string) => void log.push({ level, fields, message })
  return {
    runtime,
    log,
    closeBroker: () => closed.abort(new PortalError('CLOSED', 'The broker is closed.')),
    [CONNECTION]: {
      service: service as BrokerService,
      leaderOf,
      runtime,
      logger: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') },
      closed: closed.signal,
    },
  }
}

/** What became of a promise, to look at without waiting. */
export interface Watched<T> {
  value?: T
  error?: PortalError
  settled: boolean
  readonly promise: Promise<T>
}

export function watch<T>(promise: Promise<T>): Watched<T> {
  const outcome: Watched<T> = { settled: false, promise }
  promise.then(
    (value) => Object.assign(outcome, { settled: true, value }),
    (error: unknown) => Object.assign(outcome, { settled: true, error }),
  )
  return outcome
}
