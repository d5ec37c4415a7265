import { isPortalError, PortalError } from '../../core/errors.js'
import { checkPeerVersion, MESSAGE_VERSION, type Sender } from './peer-message.js'
import type { PeerMethod } from './peer-method.js'

type Shape = 'text' | 'number' | 'object' | 'list'

const SENDER = { broker: 'text', storage: 'text', generation: 'number' } as const

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

/**
 * A method whose request and answer are JSON: their `body`, and the version of their writer. `shapes`: what the request must
 * have besides its sender; whoever serves it can rely on that, and on nothing deeper.
 */
export function jsonMethod<Q extends Sender, A>(
  shapes: {
    readonly [F in keyof Omit<Q, keyof Sender>]?: Shape
  },
): PeerMethod<Q, A> {
  return {
    form: 'json',
    encodeRequest: encode,
    decodeRequest(bytes) {
      const request = decode(bytes)
      checkShapes(request, { cluster: 'text', from: 'object', ...shapes })
      checkShapes((request as Sender).from, SENDER)
      return request as Q
    },
    encodeAnswer: encode,
    decodeAnswer: (bytes) => (decode(bytes) ?? undefined) as A,
  }
}

function encode(body: unknown): Uint8Array {
  return encoder.encode(JSON.stringify({ version: MESSAGE_VERSION, body }))
}

function decode(bytes: Uint8Array): unknown {
  try {
    const { version, body } = JSON.parse(decoder.decode(bytes)) as { version?: unknown; body?: unknown }
    checkPeerVersion(version)
    return body
  } catch (cause) {
    if (isPortalError(cause)) throw cause
    throw new PortalError('CORRUPT', 'These bytes are no JSON that a broker of portal-mq says to another.')
  }
}

function checkShapes(value: unknown, shapes: Readonly<Record<string, Shape | undefined>>): void {
  const fields = shapeOf(value) === 'object' ? (value as Record<string, unknown>) : {}
  for (const [name, shape] of Object.entries(shapes)) {
    if (Object.hasOwn(fields, name) && shapeOf(fields[name]) === shape) continue
    throw new PortalError('CORRUPT', `What a broker says lacks '${name}', or it is no ${shape}.`)
  }
}

function shapeOf(value: unknown): Shape | undefined {
  if (typeof value === 'string') return 'text'
  if (typeof value === 'number') return 'number'
  if (Array.isArray(value)) return 'list'
  return typeof value === 'object' && value !== null ? 'object' : undefined
}
