import type { Mutant } from '../mutant.js'

export const leaseByWallClock: Mutant = {
  name: 'lease-by-wall-clock',
  bug: 'Leases end by the wall clock: when it jumps, they end early or never.',
  cast: 'cluster',
  shows: /^\[20\] .* before its time/,
  changes: [
    {
      file: 'broker/queue-times.ts',
      code: '  #armLease(lease: Lease): void {\n    const now = this.#runtime.clock.monotonic()',
      becomes: '  #armLease(lease: Lease): void {\n    const now = this.#runtime.clock.now()',
    },
    {
      file: 'broker/queue-times.ts',
      code: '  start(): void {\n    const now = this.#runtime.clock.monotonic()',
      becomes: '  start(): void {\n    const now = this.#runtime.clock.now()',
    },
    {
      file: 'broker/queue-times.ts',
      code: 'return this.#nextLeaseEnd <= this.#runtime.clock.monotonic()',
      becomes: 'return this.#nextLeaseEnd <= this.#runtime.clock.now()',
    },
    {
      file: 'broker/queue-times.ts',
      code: '    let at = this.#nextLeaseEnd\n',
      becomes: '    let at = clock.monotonic() + Math.max(0, this.#nextLeaseEnd - clock.now())\n',
    },
    {
      file: 'broker/settle-stage.ts',
      code: '(queue) => overdue(queue, this.#lead.host.runtime.clock.monotonic())',
      becomes: '(queue) => overdue(queue, this.#lead.host.runtime.clock.now())',
    },
  ],
}
