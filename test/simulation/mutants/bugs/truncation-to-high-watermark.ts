import type { Mutant } from '../mutant.js'

export const truncationToHighWatermark: Mutant = {
  name: 'truncation-to-high-watermark',
  bug: 'A follower truncates to its own high watermark, which is behind, before it asks where the logs part: Apache Kafka before KIP-101.',
  cast: 'cluster',
  shows: /^\[6\] .* in sync, truncates .* which is committed/,
  changes: [
    {
      file: 'broker/replication/replica.ts',
      code: 'follower.follow(document.leader, document.epoch)',
      becomes: 'await follower.truncateToHighWatermark(); follower.follow(document.leader, document.epoch)',
    },
    {
      file: 'broker/replication/follower.ts',
      code: '  position(): FetchPosition {',
      becomes: `  async truncateToHighWatermark(): Promise<void> {
    const from = this.#highWatermark
    if (from >= this.#next) return
    await this.#write([{ type: 'truncate', log: this.log, from }])
    truncateEpochs(this.#epochs, from)
    this.#next = from
    this.#applied.truncated(from)
  }

  position(): FetchPosition {`,
    },
  ],
}
