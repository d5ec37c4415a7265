import { randomBytes } from 'node:crypto'
import { deflateRawSync } from 'node:zlib'
import { describe, expect, it, onTestFinished } from 'vitest'
import { connect as connectByFetch } from '../../src/client.js'
import { connect, http } from '../../src/http.js'
import { Consumer, Producer } from '../../src/index.js'
import { encodeProduceRequest } from '../../src/protocol/wire/produce.js'
import { WIRE_TYPE } from '../../src/protocol/wire/wire.js'
import { LogBook, openBroker } from './support/broker.js'

const TEXT = 'portal-mq '.repeat(100)

async function openServer() {
  const broker = await openBroker({ transport: http({ port: 0 }) })
  return broker.url!
}

describe.each([
  ['the connection of Node', connect],
  ['the connection of browsers', connectByFetch],
])('Compression over %s', (_, connectBy) => {
  it('brings messages as they were sent, those that do not get smaller too', async () => {
    const url = await openServer()
    const remote = connectBy(url, { logger: new LogBook() })
    onTestFinished(() => remote.close())
    const producer = new Producer(remote, { compression: 'deflate' })
    const random = new Uint8Array(randomBytes(5_000))
    await producer.sendBatch('t', [{ value: TEXT, key: 'k' }, { value: random }, { value: { a: [1, 2] } }])
    const consumer = new Consumer(remote, 't')
    const values: unknown[] = []
    while (values.length < 3) {
      const message = await consumer.receive()
      values.push(message.value)
      await message.ack()
    }
    expect(values).toEqual([TEXT, random, { a: [1, 2] }])
    await consumer.close()
  })
})

describe('Packed records', () => {
  const post = async (packing: number, records: Uint8Array) => {
    const body = encodeProduceRequest('all', [{ topicId: 'none', partition: 0, packing, records }])
    const response = await fetch(`${await openServer()}/messages`, {
      method: 'POST',
      headers: { 'content-type': WIRE_TYPE },
      body: body as Uint8Array<ArrayBuffer>,
    })
    return { status: response.status, problem: (await response.json()) as { code: string } }
  }

  it('that would fill the memory when unpacked are refused', async () => {
    const bomb = deflateRawSync(Buffer.alloc(256 << 20))
    expect(bomb.length).toBeLessThan(1 << 20)
    expect(await post(1, bomb)).toMatchObject({ status: 413, problem: { code: 'MESSAGE_TOO_LARGE' } })
  })

  it('that are damaged, or packed in an unknown way, are refused', async () => {
    expect(await post(1, new Uint8Array([1, 2, 3]))).toMatchObject({ problem: { code: 'CORRUPT' } })
    expect(await post(77, new Uint8Array([1]))).toMatchObject({ problem: { code: 'UNSUPPORTED' } })
  })
})

it('zstd works where Node has it, and says UNSUPPORTED where not', async () => {
  const remote = connect(await openServer(), { logger: new LogBook() })
  onTestFinished(() => remote.close())
  const sending = new Producer(remote, { compression: 'zstd' }).send('t', TEXT)
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major > 22 || (major === 22 && minor >= 15)) expect((await sending).offset).toBe(0)
  else await expect(sending).rejects.toMatchObject({ code: 'UNSUPPORTED' })
})
