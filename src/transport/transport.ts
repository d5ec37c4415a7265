import type { BrokerService } from '../protocol/service.js'

/**
 * What carries calls between clients and brokers. Two methods: one makes a service reachable, the other makes a remote
 * one look local.
 *
 * An adapter MUST deliver every method of BrokerService with its errors by code, end the caller's wait when its signal aborts
 * (and tell the service), answer DISCONNECTED when the outcome is unknown, and keep the bytes of batches as they are.
 * An adapter MUST NOT retry by itself. Calls that are under way together may arrive in any order; one that is made
 * after another's answer arrives after it.
 */
export interface Transport {
  listen(service: BrokerService): Promise<Listener>
  connect(address: string): BrokerService
}

export interface Listener {
  /** What `connect` takes to reach it. */
  readonly address: string
  /** Stops taking calls; those under way reject with DISCONNECTED. May be called twice. */
  close(): Promise<void>
}
