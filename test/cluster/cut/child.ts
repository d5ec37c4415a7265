import { type ZooKeeperClientKind, zookeeper } from '../../../src/zookeeper.js'

/** Makes so many nodes, 50 calls in flight, whatever becomes of the connection; says how far it is, and at the end how its session is; then closes. */
const [, , client, servers = '', total] = process.argv
const IN_FLIGHT = 50
const STEP = 500
const host = { persistence: { load: async () => new Map<string, Uint8Array>(), save: async () => {} } }

const store = await zookeeper(servers, { client: client as ZooKeeperClientKind, sessionTimeout: 10_000 })(
  host,
)
console.log('open')
let created = 0
await Promise.all(Array.from({ length: IN_FLIGHT }, (_, place) => work(place)))
console.log(store.session.lost.aborted ? 'lost' : 'alive')
await store.close()

async function work(place: number): Promise<void> {
  for (let n = 0; created < Number(total); n++) {
    try {
      await store.create(`/n/${place}-${n}`, new Uint8Array(200))
    } catch {
      // It was under way when the connection was cut: the next one goes over a new connection.
      continue
    }
    if (++created % STEP === 0) console.log(`created ${created}`)
  }
}
