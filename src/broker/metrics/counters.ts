import type { SettledOutcome } from '../../runtime/diagnostics.js'

/** What has happened in a topic since its broker opened. They go when the topic goes. */
export class TopicCounters {
  published = 0
  publishedBytes = 0
  readonly groups = new Map<string, GroupCounters>()

  group(name: string): GroupCounters {
    let counters = this.groups.get(name)
    if (!counters) {
      counters = new GroupCounters()
      this.groups.set(name, counters)
    }
    return counters
  }
}

export class GroupCounters {
  delivered = 0
  redelivered = 0
  deadLettered = 0
  expired = 0
  readonly settled: Record<SettledOutcome, number> = {
    acked: 0,
    retry: 0,
    rejected: 0,
    discarded: 0,
    released: 0,
    suspected: 0,
  }
}
