import type { Mutant } from '../mutant.js'

export const snapshotBeforeCommit: Mutant = {
  name: 'snapshot-before-commit',
  bug: 'A snapshot is published that covers entries which are not committed: they may be truncated, and it stays.',
  cast: 'cluster',
  shows: /^\[5\] .* the snapshot of/,
  changes: [
    {
      file: 'broker/snapshotter.ts',
      code: "return write.type !== 'snapshot' || write.header.index <= this.#commitment.committedIndex",
      becomes: 'return write !== undefined',
    },
  ],
}
