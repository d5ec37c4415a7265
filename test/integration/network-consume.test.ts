import { describe, expect, it, onTestFinished } from 'vitest'
import { connect, http } from '../../src/http.js'
import { Admin, Consumer, Producer } from '../../src/index.js'
import { LogBook, openBroker, sendNumbers } from './support/broker.js'

async function openRemote() {
  const broker = await openBroker({ transport: http({ port: 0 }) })
  const remote = connect(broker.url!, { logger: new LogBook() })
  onTestFinished(() => remote.close())
  return { broker, remote }
}

describe('A consumer over HTTP', () => {
  it('gives back everything when it leaves its loop in the middle of a busy topic: nothing waits for a lease to end', async () => {
    const { broker, remote } = await openRemote()
    const producer = new Producer(broker)
    let sending = true
    const busy = (async () => {
      while (sending) await producer.sendBatch('t', [{ value: 1 }, { value: 2 }])
    })()
    const admin = new Admin(remote)
    for (let round = 0; round < 20; round++) {
      const consumer = new Consumer(remote, 't', { group: 'g' })
      let taken = 0
      for await (const message of consumer) {
        void message.ack()
        if (++taken === 20) break
      }
      await consumer.close()
      await expect.poll(async () => (await inFlight(admin)) === 0, { timeout: 10_000 }).toBe(true)
    }
    sending = false
    await busy
  })

  it('that aborts its wait as the message comes leaves the message to others at once', async () => {
    const { broker, remote } = await openRemote()
    await sendNumbers(broker, 't', 1)
    const consumer = new Consumer<number>(remote, 't', { group: 'g' })
    await (await consumer.receive()).ack()
    const other = new Consumer<number>(remote, 't', { group: 'g' })
    for (let round = 1; round < 40; round++) {
      const controller = new AbortController()
      const waiting = consumer.receive({ signal: controller.signal }).then(
        (message) => message,
        () => undefined,
      )
      const sent = sendNumbers(broker, 't', round + 1, round)
      if (round % 2) await sent
      controller.abort()
      const message = (await waiting) ?? (await other.receive({ timeout: 5_000 }))
      await sent
      expect(message?.value).toBe(round)
      expect(message?.deliveryCount).toBe(1)
      await message!.ack()
    }
  })
})

async function inFlight(admin: Admin): Promise<number> {
  return (await admin.describeGroup('t', 'g')).partitions.reduce((sum, one) => sum + one.inFlight, 0)
}
