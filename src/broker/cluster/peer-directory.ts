import type { MemberDocument, ReplicaName } from '../../coordination/documents.js'
import { isSameReplica } from '../../core/placement/placed-partition.js'
import type { PeerService } from '../../protocol/peer-service.js'
import type { Transport } from '../../transport/transport.js'
import type { BrokerEvents } from '../events.js'

/** The brokers that live, as they were last known, and a connection to each: without a session leaders and followers go on. */
export class PeerDirectory {
  readonly #transport: Pick<Transport, 'connectPeer'>
  readonly #connections = new Map<string, PeerService>()
  #members: ReadonlyMap<string, MemberDocument> = new Map()

  constructor(transport: Pick<Transport, 'connectPeer'>) {
    this.#transport = transport
  }

  /** By broker id; this broker is among them. */
  get members(): ReadonlyMap<string, MemberDocument> {
    return this.#members
  }

  connect(url: string): PeerService {
    let peer = this.#connections.get(url)
    if (!peer) {
      peer = this.#transport.connectPeer(url)
      this.#connections.set(url, peer)
    }
    return peer
  }

  /** The way to a broker; undefined: it does not live. */
  find(broker: string): PeerService | undefined {
    const member = this.#members.get(broker)
    return member && this.connect(member.url)
  }

  /** The way to a broker that has this very database. */
  findReplica(name: ReplicaName): PeerService | undefined {
    const member = this.#members.get(name.broker)
    return member && isSameReplica(member, name) ? this.connect(member.url) : undefined
  }

  /** These live now. Returns who of the brokers that `changed` has come or gone. */
  update(members: ReadonlyMap<string, MemberDocument>, changed: readonly string[]): BrokerEvents['member'][] {
    const before = this.#members
    this.#members = members
    return changed.flatMap((broker) => {
      const member = members.get(broker)
      const known = before.get(broker)
      const url = (member ?? known)?.url
      const isSame = (member === undefined) === (known === undefined)
      return url === undefined || isSame ? [] : [{ broker, url, alive: member !== undefined }]
    })
  }
}
