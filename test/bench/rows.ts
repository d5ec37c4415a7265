import type { Row } from './figure.js'

/** By name, in the order of the table. Each is loaded in a process of its own. */
export const ROWS: Readonly<Record<string, () => Promise<Row>>> = {
  publish: async () => (await import('./rows/publish.js')).publishRow,
  consume: async () => (await import('./rows/consume.js')).consumeRow,
  both: async () => (await import('./rows/both.js')).bothRow,
  'loop-delay': async () => (await import('./rows/loop-delay.js')).loopDelayRow,
  ping: async () => (await import('./rows/ping.js')).pingRow,
  lone: async () => (await import('./rows/lone.js')).loneRow,
  'end-to-end': async () => (await import('./rows/end-to-end.js')).endToEndRow,
  stored: async () => (await import('./rows/stored.js')).storedRow,
  partitions: async () => (await import('./rows/partitions.js')).partitionsRow,
  sleepers: async () => (await import('./rows/sleepers.js')).sleepersRow,
  stuck: async () => (await import('./rows/stuck.js')).stuckRow,
  network: async () => (await import('./rows/network.js')).networkRow,
  'network-latency': async () => (await import('./rows/network.js')).networkLatencyRow,
  'network-sleepers': async () => (await import('./rows/network.js')).networkSleepersRow,
  replicated: async () => (await import('./rows/replicated.js')).replicatedRow,
  'replicated-latency': async () => (await import('./rows/replicated.js')).replicatedLatencyRow,
  failover: async () => (await import('./rows/replicated.js')).failoverRow,
  memory: async () => (await import('./rows/memory.js')).memoryRow,
}
