import { equality } from '../../core/conformance.js'
import { isPortalError } from '../../core/errors.js'
import type { PeerService } from '../../protocol/peer-service.js'
import type { BrokerService } from '../../protocol/service.js'
import { portableCrc32 } from '../../runtime/crc32.js'
import type { Listener, Transport } from '../transport.js'

export { ensure, rejection } from '../../core/conformance.js'

/** Makes the transport under test. */
export type OpenTransport = () => Promise<Transport>

export interface TransportConformanceCase {
  readonly name: string
  /** Rejects if the transport does not behave. Give every case a time limit: some wait for what must happen. */
  run(open: OpenTransport): Promise<void>
}

/** What a case has: a transport, and services that listen until the case ends. */
export interface Stage {
  readonly transport: Transport
  /** Lets services listen of which only some methods are there, and connects to them. Without `peers` it is a broker in no cluster. */
  serve(script: Partial<BrokerService>, peers?: Partial<PeerService>): Promise<Served>
}

export interface Served {
  readonly listener: Listener
  readonly remote: BrokerService
  /** It, seen by another broker. */
  readonly peer: PeerService
}

export function transportCase(name: string, body: (stage: Stage) => Promise<void>): TransportConformanceCase {
  return {
    name,
    async run(open) {
      const transport = await open()
      const listeners: Listener[] = []
      const serve = async (script: Partial<BrokerService>, peers?: Partial<PeerService>) => {
        const listener = await transport.listen(script as BrokerService, peers as PeerService | undefined)
        listeners.push(listener)
        const { address } = listener
        return { listener, remote: transport.connect(address), peer: transport.connectPeer(address) }
      }
      try {
        await body({ transport, serve })
      } finally {
        for (const listener of listeners) await listener.close()
      }
    },
  }
}

/** Something that a case waits for, and how to say that it happened. */
export function signpost<T = void>() {
  let pass!: (value: T) => void
  const reached = new Promise<T>((resolve) => {
    pass = resolve
  })
  return { reached, pass }
}

/** `length` bytes, other ones for another mark. */
export function bytes(length: number, mark = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (at * 31 + mark * 7 + (at >> 8)) & 0xff)
}

/** Deep equality, in which a property that is undefined is the same as none. */
export const equal = equality(show)

/** Plain text of a value: equal texts are equal values. Bytes are shown by their length and sum, for there may be many. */
function show(value: unknown): string {
  if (value instanceof Uint8Array) return `bytes(${value.length}, ${portableCrc32(value)})`
  if (value instanceof Date) return `date(${value.getTime()})`
  if (isPortalError(value)) return `${value.code}(${value.message}, ${value.retriable})`
  if (Array.isArray(value)) return `[${value.map(show).join(', ')}]`
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value !== 'object' || value === null) return String(value)
  const fields = Object.entries(value).filter(([, part]) => part !== undefined)
  return `{${fields
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, part]) => `${name}: ${show(part)}`)
    .join(', ')}}`
}
