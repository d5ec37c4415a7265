import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type ErrorCode, PortalError } from '../../../src/core/errors.js'
import type { BrokerService } from '../../../src/protocol/service.js'

/** A call as version 1 carried it: what was called and answered, and the HTTP between. */
export interface Recorded {
  readonly name: string
  readonly call: keyof BrokerService
  /** Undefined: the method takes none. */
  readonly request: object | undefined
  /** A PortalError: the call rejected with it. */
  readonly answer: unknown
  readonly sent: {
    readonly method: string
    readonly path: string
    readonly type: string
    readonly body: Uint8Array
  }
  readonly received: { readonly status: number; readonly type: string; readonly body: Uint8Array }
}

const file = fileURLToPath(new URL('../../fixtures/wire-v1/exchange.json', import.meta.url))

/** What was recorded when version 1 was made. It is never recorded anew: a later version adds a file of its own. */
export function readRecorded(): Recorded[] {
  return JSON.parse(readFileSync(file, 'utf8'), revive)
}

function revive(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if ('$hex' in value) return Uint8Array.from(Buffer.from(String(value.$hex), 'hex'))
  if ('$text' in value) return new TextEncoder().encode(String(value.$text))
  if ('$date' in value) return new Date(Number(value.$date))
  if ('$number' in value) return Number(value.$number)
  if ('$error' in value) {
    const { code, message, retriable } = value.$error as {
      code: ErrorCode
      message: string
      retriable: boolean
    }
    return new PortalError(code, message, { retriable })
  }
  return value
}
