import type { GroupSettings } from '../../src/protocol/groups.js'
import type { Ledger } from './ledger.js'
import type { Scheduler } from './scheduler.js'
import type { Trace } from './trace.js'

/** What clients know of the world that they live in. */
export interface ClientWorld {
  readonly scheduler: Scheduler
  readonly trace: Trace
  readonly auditor: Ledger
  readonly groups: readonly { readonly topic: string; readonly group: string }[]
  /** No more faults: everybody acks, nobody dies. */
  readonly healing: boolean
  readonly producing: boolean
  settingsOf(group: string): Partial<GroupSettings>
  count(what: string, by: number): void
  /** Something was promised: death strikes now most often. */
  tempt(): void
}
