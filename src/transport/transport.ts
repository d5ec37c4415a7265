import type { PeerService } from '../protocol/peer-service.js'
import type { BrokerService } from '../protocol/service.js'

/**
 * What carries calls between clients and brokers, and between the brokers of a cluster: one method makes services reachable, the others
 * make a remote one look local.
 *
 * An adapter MUST deliver every method of BrokerService and PeerService with its errors by code, end the caller's wait when its signal aborts
 * (and tell the service), answer DISCONNECTED when the outcome is unknown, and keep the bytes of batches as they are. It MUST keep
 * clients away from `peers`, and MUST NOT take a call for a forwarded one unless a broker of the cluster makes it.
 * An adapter MUST NOT retry by itself. Calls that are under way together may arrive in any order; one that is made
 * after another's answer arrives after it.
 */
export interface Transport {
  /**
   * `peers`: what brokers of the same cluster may ask; undefined: this broker is in no cluster, and nobody may. Rejects with INVALID_ARGUMENT
   * where strangers could not be told from brokers.
   */
  listen(service: BrokerService, peers?: PeerService): Promise<Listener>
  /** For clients. */
  connect(address: string): BrokerService
  /**
   * For brokers that pass on calls of their clients to another broker: every call arrives with `forwarded` and without `authorize`, because whoever
   * passes it on has asked that before. A broker that stops is DISCONNECTED to them, never CLOSED.
   */
  connectForwarding(address: string): BrokerService
  /**
   * Another broker, for a broker. What it cannot read, or is not asked for in a cluster at all, is UNSUPPORTED; one that stops is DISCONNECTED,
   * never CLOSED; one that does not know the caller for a broker says UNAUTHENTICATED.
   */
  connectPeer(address: string): PeerService
}

export interface Listener {
  /** What `connect` takes to reach it. */
  readonly address: string
  /** Stops taking calls; those under way reject with DISCONNECTED. May be called twice. */
  close(): Promise<void>
}
