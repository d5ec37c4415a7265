import { expect, test } from 'vitest'
import { Broker } from '../../src/broker/broker.js'
import { nodePersistence } from '../../src/broker/node-persistence.js'
import { inProcessCoordination } from '../../src/coordination/memory.js'
import { SERVICE } from '../../src/protocol/connection.js'
import { virtualRuntime } from '../../src/runtime/virtual.js'
import { memoryStorage } from '../../src/storage/memory.js'
import { inProcess } from '../../src/transport/in-process.js'
import { LogBook, sendNumbers } from './support/broker.js'

test('a reader passes over what was trimmed only once the trim is committed: a crash before would bring it back [invariant 10]', async () => {
  const runtime = virtualRuntime()
  const memory = memoryStorage({ crc32: runtime.crc32 })
  let gate: Promise<void> | undefined
  const storage: typeof memory = {
    ...memory,
    commit: async (...given) => {
      await gate
      return memory.commit(...given)
    },
  }
  const opening = Broker.open({
    storage,
    openCoordination: (opened) => inProcessCoordination()({ persistence: nodePersistence(opened) }),
    local: inProcess(),
    runtime,
    logger: new LogBook(),
    autoCreateTopics: true,
    cacheBytes: 1 << 20,
  })
  const broker = await runtime.runUntil(opening)
  const service = broker[SERVICE]
  const config = { retention: { after: 0, age: 5_000 } }
  const { id: topicId } = await runtime.runUntil(service.createTopic({ name: 't', config }))
  await runtime.runUntil(sendNumbers(broker, 't', 3))

  let open = () => {}
  gate = new Promise((resolve) => {
    open = resolve
  })
  await runtime.advance(10_000)
  const answers: string[] = []
  const reading = service.read({ topicId, partition: 0, offset: 0, maxBytes: 1 << 20 }).then((answer) => {
    answers.push('read')
    return answer
  })
  const finding = service.findOffset({ topicId, partition: 0, at: 'earliest' }).then((answer) => {
    answers.push('find')
    return answer
  })
  await runtime.settle()
  expect(answers).toEqual([])
  gate = undefined
  open()
  expect((await runtime.runUntil(reading)).batches).toEqual([])
  expect(await runtime.runUntil(finding)).toEqual({ offset: 3 })
  await runtime.runUntil(broker.close())
})
