import type { RemoteConnection } from '../../src/connect.js'
import type { GroupSettings } from '../../src/protocol/groups.js'
import type { Ledger } from './ledger.js'
import type { Life } from './life.js'
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
  /** How many times as long everybody rests as when there is most to do. */
  readonly pace: number
  settingsOf(group: string): Partial<GroupSettings>
  count(what: string, by: number): void
  /** Something was promised: death strikes now most often. */
  tempt(): void
}

/** A process elsewhere with its connection: it can stand still, and die. */
export interface FarProcess {
  readonly connection: RemoteConnection
  readonly life: Life
  die(): void
}

/** The same for the library's clients at the other end of a network. */
export interface NetworkWorld extends ClientWorld {
  connect(ways: { readonly streams: boolean }): FarProcess
  /**
   * A reader was not shown a message. Readers see a trim as soon as it is on its way to the disk. Says, a little later, whether the trim may have been lost
   * since with who was about to write it; undefined: only the end can tell.
   */
  excuse(log: string): (() => boolean) | undefined
}
