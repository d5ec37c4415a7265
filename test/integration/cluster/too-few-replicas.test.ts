import { crc32 } from 'node:zlib'
import { expect, test } from 'vitest'
import { Admin } from '../../../src/client/admin.js'
import { Producer } from '../../../src/client/producer/producer.js'
import { decodeBody } from '../../../src/core/entry-codec.js'
import { PortalError } from '../../../src/core/errors.js'
import { SERVICE } from '../../../src/protocol/connection.js'
import { InProcessCluster } from './in-process.js'

/** A topic whose partition takes nothing from `breaks` on, when one of three replicas that must have everything is cut off, until `mend`. */
async function start() {
  const cluster = await InProcessCluster.open(['a', 'b', 'c'])
  const broker = (name: string) => cluster.brokers.get(name)!
  const admin = new Admin(broker('a'))
  const { id } = await admin.createTopic('orders', { replicas: 3, minInSync: 3 })
  const placement = async () => (await admin.describePlacement('orders'))[0]!
  // Who leads now goes on to.
  await expect
    .poll(async () => {
      const { leader, replicas } = await placement()
      return leader === replicas[0]
    })
    .toBe(true)
  const led = (await placement()).leader!
  const away = ['c', 'b'].find((name) => name !== led)!
  await new Producer(broker(led)).send('orders', 'first', { id: 'x' })
  await broker(led)[SERVICE].joinGroup({ topic: 'orders', group: 'before', settings: {}, create: true })
  const send = async () => {
    const producer = new Producer(broker(led), { deliveryTimeout: 200 })
    const refused = await producer.send('orders', 'probe').catch((error: PortalError) => error)
    return refused instanceof PortalError ? (refused.cause as PortalError | undefined)?.code : undefined
  }
  const breaks = async () => {
    cluster.isolate(away)
    await expect.poll(send, { timeout: 10_000 }).toBe('NOT_ENOUGH_REPLICAS')
  }
  const mend = async () => {
    cluster.reconnect(away)
    await expect.poll(send, { timeout: 10_000 }).toBeUndefined()
  }
  return { cluster, broker, admin, id, led, breaks, mend }
}

test('limits of ids that change while too few replicas are in sync come into force', async () => {
  const { broker, admin, led, breaks, mend } = await start()
  await breaks()
  await admin.updateTopic('orders', { dedupe: { ids: 1 } })
  await mend()
  const producer = new Producer(broker(led))
  await producer.send('orders', 'second', { id: 'y' })
  await expect(producer.send('orders', 'third', { id: 'x' })).resolves.toMatchObject({ duplicate: false })
})

test('a group that is deleted while too few replicas are in sync ends in the log', async () => {
  const { cluster, admin, id, led, breaks, mend } = await start()
  await breaks()
  await admin.deleteGroup('orders', 'before').catch(() => {})
  await mend()
  const ends = async () => {
    const range = { from: 0, maxBytes: 1 << 20 }
    const entries = await cluster.storages.get(led)!.read(`${id}/0`, range)
    return entries.filter((entry) => {
      const body = decodeBody(entry, crc32)
      return body.kind === 'group' && body.change.type === 'deleted'
    }).length
  }
  await expect.poll(ends).toBe(1)
})
