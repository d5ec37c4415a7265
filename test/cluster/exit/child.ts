import { zookeeper } from '../../../src/zookeeper.js'

/** Opens a session, and ends by itself once that is closed, was refused or is lost. */
const [, , way = '', servers = ''] = process.argv
const host = { persistence: { load: async () => new Map<string, Uint8Array>(), save: async () => {} } }
const options = { sessionTimeout: 2_000, connectTimeout: way === 'unreachable' ? 500 : 20_000 }

try {
  const store = await zookeeper(servers, options)(host)
  store.watch('/a', () => {})
  await store.create('/a', new Uint8Array(1))
  console.log(`open ${store.session.id}`)
  if (way === 'close') await store.close()
  else {
    await new Promise((resolve) => store.session.lost.addEventListener('abort', resolve))
    console.log('lost')
  }
} catch (error) {
  console.log((error as { code?: string }).code)
}
