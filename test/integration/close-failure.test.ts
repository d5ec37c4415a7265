import { expect, test } from 'vitest'
import { Broker } from '../../src/broker/broker.js'
import { nodePersistence } from '../../src/broker/node-persistence.js'
import { inProcessCoordination } from '../../src/coordination/memory.js'
import { PortalError, Producer } from '../../src/index.js'
import { systemRuntime } from '../../src/runtime/system.js'
import { memoryStorage } from '../../src/storage/memory.js'
import type { Storage } from '../../src/storage/storage.js'
import { inProcess } from '../../src/transport/in-process.js'
import { LogBook } from './support/broker.js'

/** A broker whose storage fails from the moment that `fail` was called. */
async function openFailing() {
  const runtime = systemRuntime()
  const whole = memoryStorage()
  const error = new PortalError('STORAGE_FAILED', 'The disk is gone.')
  let failing = false
  let tell: (error: PortalError) => void
  const storage: Storage = {
    ...whole,
    onFailure(listener) {
      tell = listener
    },
    async commit(writes, options) {
      if (!failing) return whole.commit(writes, options)
      tell(error)
      throw error
    },
  }
  const logger = new LogBook()
  const broker = await Broker.open({
    storage,
    openCoordination: (opened) => inProcessCoordination()({ persistence: nodePersistence(opened) }),
    local: inProcess(),
    runtime,
    logger,
    autoCreateTopics: true,
    cacheBytes: 1 << 20,
  })
  const fail = () => {
    failing = true
  }
  return { broker, logger, error, fail }
}

test.each(['at work', 'idle'])(
  'a storage that fails while the broker closes (%s) does not hold it up: error, close, and close resolves [invariant 13]',
  async (how) => {
    const { broker, error, fail } = await openFailing()
    const events: unknown[] = []
    broker.on('error', (event) => events.push(event))
    broker.on('close', (event) => events.push(event))
    const producer = new Producer(broker)
    await producer.send('t', 1)
    fail()
    if (how === 'at work') {
      const sending = expect(producer.send('t', 2)).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
      await new Promise((resolve) => setImmediate(resolve))
      await Promise.all([broker.close(), sending])
    }
    await broker.close()
    await broker.close()
    expect(events).toEqual([error, { error }])
  },
)

test('an error that nobody listens to goes to the logger', async () => {
  const { broker, logger, fail } = await openFailing()
  const producer = new Producer(broker)
  fail()
  await expect(producer.send('t', 1)).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
  await broker.close()
  expect(logger.lines).toMatchObject([
    { level: 'error', message: 'The disk is gone.', fields: { code: 'STORAGE_FAILED' } },
  ])
})
