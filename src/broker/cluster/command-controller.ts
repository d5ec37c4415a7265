import { isPortalError, PortalError } from '../../core/errors.js'
import type {
  ClusterCommand,
  CommandResponse,
  Incarnation,
  PeerService,
} from '../../protocol/peer-service.js'
import type { CallSignal } from '../../runtime/call-signal.js'
import type { Clock, Timers } from '../../runtime/runtime.js'
import { sleepUntil } from '../../runtime/wait.js'
import type { Controller } from './controller.js'

export interface CommandingParts {
  readonly timers: Timers
  readonly clock: Clock
  readonly signal: CallSignal | undefined
  sender(): { readonly cluster: string; readonly from: Incarnation }
  /** This broker's own part in controlling; DISCONNECTED while it has no session. */
  own(): Controller
  /** The way to the controller, as far as it is known. */
  controller(): PeerService | undefined
}

/** How long a controller is waited for (ms): longer than it takes to elect one, in most cases. */
const PATIENCE = 10_000
/** How soon it is tried again (ms). */
const RETRY = 200

/** Has whoever is the controller carry it out; asks again while it changes. Commands may be given twice. */
export async function commandController(
  command: ClusterCommand,
  parts: CommandingParts,
): Promise<CommandResponse> {
  const { clock, timers, signal } = parts
  const until = clock.monotonic() + PATIENCE
  for (;;) {
    try {
      return await give(command, parts)
    } catch (error) {
      const left = until - clock.monotonic()
      if (!isPortalError(error, 'NOT_LEADER', 'DISCONNECTED') || left <= 0) throw error
      const ends = { timeout: Math.min(left, RETRY), signal }
      await sleepUntil<true>(timers, 'Waiting for a controller', ends, () => () => {})
    }
  }
}

async function give(command: ClusterCommand, parts: CommandingParts): Promise<CommandResponse> {
  const own = parts.own()
  if (own.term !== undefined) return own.command(command)
  const peer = parts.controller()
  if (peer) return peer.command({ ...parts.sender(), command }, { signal: parts.signal })
  throw new PortalError(
    'NOT_LEADER',
    'The cluster has no controller now that this broker knows of: one is elected within the session timeout. Try again.',
  )
}
