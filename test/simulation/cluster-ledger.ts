import { Ledger, type Promised } from './ledger.js'
import type { LogAudit } from './log-audit.js'
import { check } from './violation.js'

/** How many disks have, or had before they were wiped, an entry safely. */
type Holders = (log: string, index: number, epoch: number) => number

/** The ledger of a cluster: its logs are what is committed. */
export class ClusterLedger extends Ledger {
  readonly #holders: Holders
  readonly #minInSync: (log: string) => number

  constructor(
    options: {
      readonly now: () => number
      readonly latestTime: () => number
      readonly maxDeliveries: (group: string) => number
    },
    holders: Holders,
    { minInSync }: { readonly minInSync: (log: string) => number },
  ) {
    super(options.now, options.maxDeliveries)
    this.latest = options.latestTime
    this.#holders = holders
    this.#minInSync = minInSync
  }

  /** Deleted topics promise nothing any more. */
  override promise(promised: Promised): void {
    if (this.isBuried(promised.log)) return
    super.promise(promised)
  }

  /** Somebody's send was acknowledged: it is on as many disks as it was promised (invariant 3). */
  override sent(log: string, offset: number): void {
    if (this.isBuried(log)) return
    const { entries } = this.audit(log)
    const entry = entries.find(({ baseOffset, count }) => baseOffset <= offset && offset < baseOffset + count)
    const holders = entry ? this.#holders(log, entry.index, entry.epoch) : 0
    const least = this.#minInSync(log)
    check(
      holders >= least,
      () => `[3] ${log} ${offset} was acknowledged and is on ${holders} disks, not on ${least}`,
    )
  }

  /** Leaders of other partitions are elsewhere, and know nothing of these consumers. */
  protected override *partitionsOf(log: string): Generator<LogAudit> {
    yield this.audit(log)
  }
}
