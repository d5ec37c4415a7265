import type { PortalError } from '../core/errors.js'

/** The events of a broker and what they carry. */
export interface BrokerEvents {
  /** It serves. */
  ready: Record<string, never>
  /** It leads a partition, in this epoch. */
  leader: { readonly topic: string; readonly partition: number; readonly epoch: number }
  /** It follows the leader of a partition, in this epoch. */
  follower: {
    readonly topic: string
    readonly partition: number
    readonly epoch: number
    /** A broker's id. */
    readonly leader: string
  }
  /** The set of in-sync replicas of a partition that it leads has changed: ids of brokers. */
  isr: { readonly topic: string; readonly partition: number; readonly inSync: readonly string[] }
  /** A broker came to the cluster or left it. */
  member: { readonly broker: string; readonly url: string; readonly alive: boolean }
  /** Its session with the coordination service was lost, or it has one again. Until then messages flow, and nothing is elected or made. */
  coordination: { readonly reachable: boolean }
  /** Messages went by `age` or `bytes` before the group had settled them. */
  expired: {
    readonly topic: string
    readonly partition: number
    readonly group: string
    readonly count: number
  }
  /** A message failed for the last time in a group without a dead-letter topic. */
  discarded: {
    readonly topic: string
    readonly partition: number
    readonly group: string
    readonly offset: number
    readonly reason: string
  }
  /** Something failed that no caller waits for. Without a listener it goes to the logger. */
  error: PortalError
  /** It has stopped, because of the error if there is one. */
  close: { readonly error: PortalError | undefined }
}

/** What listens to a broker's events. */
export type BrokerListeners = { [E in keyof BrokerEvents]: (payload: BrokerEvents[E]) => void }
