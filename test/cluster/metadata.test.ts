import { beforeAll } from 'vitest'
import { metadataSuite } from '../support/metadata-suite.js'
import { describeCluster, sharedServer } from './support/servers.js'
import { freshRoot, openStore } from './support/stores.js'

describeCluster('metadata on ZooKeeper', () => {
  let server: string
  beforeAll(async () => {
    server = await sharedServer()
  })

  metadataSuite(() => {
    const root = freshRoot()
    return {
      start: async () => () => openStore(server + root),
      async settle() {
        // Behind whatever the others have sent: each write of a recipe that waits for the one before it takes one round.
        const store = await openStore(server + root)
        for (let round = 0; round < 20; round++) await store.create(`/settled`, new Uint8Array(0))
        await store.delete('/settled')
      },
    }
  }, 5)
})
