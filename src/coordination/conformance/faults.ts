import { isPortalError } from '../../core/errors.js'
import { seededRandom } from '../../runtime/virtual.js'
import { type DocumentKind, isCount } from '../document-codec.js'
import { DocumentStore } from '../document-store.js'
import {
  bytes,
  type CoordinationConformanceCase,
  coordinationCase,
  type ExpireSession,
  ensure,
  equal,
  eventually,
  type InterruptSession,
  rejection,
  textAt,
  watchEvents,
} from './support.js'

const EPHEMERAL = { ephemeral: true }
const ROUNDS = 5

/** What the end of a session that nobody closed means. */
export function expiryCases(expire: ExpireSession): CoordinationConformanceCase[] {
  return [
    coordinationCase(
      'a session that expires loses its ephemeral nodes, and no others',
      async (store, open) => {
        const other = await open()
        await store.create('/members/one', bytes(''), EPHEMERAL)
        await other.create('/members/two', bytes(''), EPHEMERAL)
        await store.create('/kept', bytes('kept'))
        await expire(store)
        await eventually(
          other,
          '/members',
          (from) => from.children('/members'),
          (names) => String(names) === 'two',
        )
        equal(await textAt(other, '/kept'), 'kept', 'a persistent node')
        ensure(!other.session.lost.aborted, 'the other session goes on')
      },
    ),

    coordinationCase('a session that expired is lost for good', async (store, open) => {
      const events = watchEvents(store, '/a')
      ensure(!store.session.lost.aborted, 'it lives')
      await expire(store)
      ensure(store.session.lost.aborted, 'it is lost')
      ensure(isPortalError(store.session.lost.reason, 'DISCONNECTED'), 'it says why')
      equal(store.session.leaseUntil(), -Infinity, 'the lease')
      await rejection(store.read('/a'), 'CLOSED', 'read')
      await rejection(store.create('/a', bytes('')), 'CLOSED', 'create')
      await rejection(store.compareAndSet('/a', bytes(''), 0), 'CLOSED', 'compareAndSet')
      await rejection((async () => store.watch('/a', () => {}))(), 'CLOSED', 'watch')
      const calls = events.calls()
      const next = await open()
      ensure(next.session.id !== store.session.id, 'the next session is another one')
      await next.create('/a', bytes(''))
      equal(events.calls(), calls, 'calls of its watches')
      await store.close()
    }),
  ]
}

/** What a connection that is lost for a moment means. */
export function interruptionCases(interrupt: InterruptSession): CoordinationConformanceCase[] {
  return [
    coordinationCase('a session outlives its connection, and its ephemeral nodes do', async (store, open) => {
      const other = await open()
      await store.create('/e', bytes(''), EPHEMERAL)
      for (let round = 0; round < ROUNDS; round++) await interrupt(store)
      await answered(() => store.read('/e'))
      equal((await other.read('/e'))?.owner, store.session.id, 'the owner')
      ensure(!store.session.lost.aborted, 'the session lives')
    }),

    coordinationCase(
      'a watch misses nothing that happens while the connection is lost',
      async (store, open) => {
        const other = await open()
        await other.create('/a', bytes('0'))
        const events = watchEvents(store, '/a')
        for (let round = 0; round < ROUNDS; round++) {
          equal(await answered(() => textAt(store, '/a')), `${round}`, 'the data before')
          const cut = interrupt(store)
          await other.compareAndSet('/a', bytes(`${round + 1}`), round)
          await cut
          while ((await answered(() => textAt(store, '/a'))) !== `${round + 1}`) await events.next()
        }
      },
    ),

    coordinationCase('a call that loses its answer rejects with DISCONNECTED', async (store, open) => {
      const other = await open()
      let applied = 0
      let undecided = 0
      for (let round = 0; round < ROUNDS; round++) {
        const writes = Array.from({ length: 20 }, (_, n) => store.create(`/n/${round}-${n}`, bytes('')))
        const cut = interrupt(store)
        for (let n = 20; n < 40; n++) writes.push(store.create(`/n/${round}-${n}`, bytes('')))
        for (const outcome of await Promise.allSettled(writes)) {
          if (outcome.status === 'fulfilled') applied++
          else if (isPortalError(outcome.reason, 'DISCONNECTED')) undecided++
          else throw outcome.reason
        }
        await cut
      }
      await answered(() => store.read('/n'))
      const { length } = await other.children('/n')
      ensure(length >= applied && length <= applied + undecided, `${length} of ${applied} + ${undecided}`)
    }),

    coordinationCase('stamps tell which of the writes without an answer were applied', async (store) => {
      const documents = new DocumentStore(store, { writer: 'me', random: seededRandom(1) })
      await documents.create(counterKind, '/counter', { count: 0 })
      let added = 0
      let undecided = 0
      for (let round = 0; round < 10 * ROUNDS; round++) {
        const adding = documents.change(counterKind, '/counter', ({ count }) => ({ count: count + 1 }))
        if (round % 10 === 5) void interrupt(store)
        try {
          if ((await adding)?.changed) added++
        } catch (error) {
          // Reading failed, too.
          if (!isPortalError(error, 'DISCONNECTED')) throw error
          undecided++
        }
      }
      const count = (await answered(() => documents.read(counterKind, '/counter')))?.document.count ?? 0
      ensure(count >= added && count <= added + undecided, `${count} of ${added} + ${undecided}`)
    }),
  ]
}

const counterKind: DocumentKind<{ readonly count: number }> = { what: 'counter', fields: { count: isCount } }

/** Asks until the store answers. */
async function answered<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (!isPortalError(error, 'DISCONNECTED')) throw error
    }
  }
}
