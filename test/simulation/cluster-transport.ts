import type { PeerService } from '../../src/protocol/peer-service.js'
import type { BrokerService } from '../../src/protocol/service.js'
import type { Transport } from '../../src/transport/transport.js'
import type { Calls } from './calls.js'
import type { Life } from './life.js'
import { type PeerWatcher, peerOver } from './peers.js'
import { serviceOver } from './remote-service.js'

const SCHEME = 'http://'

interface Services {
  readonly service: BrokerService
  readonly peers: PeerService | undefined
}

/** How the brokers of a simulated cluster reach each other. */
export function clusterTransport<S extends Services>({
  name,
  life,
  calls,
  answered,
  listening,
}: {
  readonly name: string
  readonly life: Life
  readonly calls: Calls<S>
  readonly answered: PeerWatcher
  /** It can be reached from now on. Returns what ends that. */
  readonly listening: (services: Services) => () => void
}) {
  const to = (address: string) => ({ from: name, life, to: address.slice(SCHEME.length) })
  return {
    async listen(service: BrokerService, peers?: PeerService) {
      const end = listening({ service, peers })
      return { address: SCHEME + name, close: async () => end() }
    },
    connect: (address: string) => serviceOver(calls, to(address), { forwarded: false }),
    connectForwarding: (address: string) => serviceOver(calls, to(address), { forwarded: true }),
    connectPeer: (address: string) => peerOver(calls, to(address), answered),
  }
}

/** For callers in the broker's own process. */
export function localTransport(): Transport {
  let held: BrokerService | undefined
  const elsewhere = () => {
    throw new Error('This transport stays within its process.')
  }
  const transport = {
    async listen(service: BrokerService) {
      held = service
      return { address: 'here', close: async () => {} }
    },
    connect: () => held!,
    connectForwarding: elsewhere,
    connectPeer: elsewhere,
  }
  return transport
}
