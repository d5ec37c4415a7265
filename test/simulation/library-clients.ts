import type { Broker } from '../../src/broker/broker.js'
import { Consumer } from '../../src/client/consumer/consumer.js'
import { Producer } from '../../src/client/producer/producer.js'
import { isPortalError } from '../../src/core/errors.js'
import type { World } from './world.js'

/** The library's own Producer in the broker's process: what `send` resolved to is stored. */
export async function runLibraryProducer(
  world: World,
  broker: Broker,
  life: number,
  goesOn: () => boolean,
): Promise<void> {
  const { scheduler, auditor } = world
  const producer = new Producer(broker, { deliveryTimeout: 20_000 })
  let serial = 0
  const send = async () => {
    const value = `library${life}#${serial++}`
    try {
      const sent = await producer.send('plain', value, scheduler.chance(0.5) ? { partition: 1 } : {})
      const log = world.auditor.logOf('plain', sent.partition)
      if (log) auditor.promise({ type: 'stored', log, offset: sent.offset, value })
      world.count('library sent', 1)
      world.tempt()
    } catch (error) {
      if (!isPortalError(error)) throw error
      world.count(`library ${error.code}`, 1)
    }
  }
  while (goesOn() && world.producing) {
    for (let left = scheduler.whole(1, 4); left > 0; left--) scheduler.spawn(send())
    await scheduler.sleep(scheduler.random() * 600)
  }
}

/** The library's own Consumer: a message whose `ack` resolved is settled, and is not delivered again. */
export async function runLibraryConsumer(
  world: World,
  broker: Broker,
  group: string,
  goesOn: () => boolean,
): Promise<void> {
  const { scheduler, auditor } = world
  const settings = world.settingsOf(group)
  const consumer = new Consumer<string>(broker, 'plain', { group, ...settings, lease: 2_000, prefetch: 8 })
  while (goesOn()) {
    try {
      const message = await consumer.receive({ timeout: 1_000 })
      if (!message) continue
      const log = world.auditor.logOf('plain', message.partition)
      if (!log) continue
      auditor.promise({ type: 'stored', log, offset: message.offset, value: message.value })
      const generation = auditor.generationOf(log, group)
      if (!world.healing && scheduler.chance(0.1)) await message.nack({ delay: scheduler.whole(0, 500) })
      else {
        await message.ack()
        auditor.acked(log, group, generation, message.offset)
        world.count('library acked', 1)
        world.tempt()
      }
    } catch (error) {
      if (!isPortalError(error)) throw error
      world.count(`library ${error.code}`, 1)
      if (!goesOn() || error.code === 'CLOSED') return
      await scheduler.sleep(50)
    }
  }
}
