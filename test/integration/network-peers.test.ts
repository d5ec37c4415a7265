import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { http } from '../../src/http.js'
import type { PeerService } from '../../src/protocol/peer-service.js'
import type { BrokerService } from '../../src/protocol/service.js'
import { encodeFetchResponse } from '../../src/protocol/wire/peer-fetch.js'
import { WIRE_TYPE } from '../../src/protocol/wire/wire.js'
import { entry, fetchRequest } from '../../src/transport/conformance/peer-samples.js'
import { bytes } from '../../src/transport/conformance/support.js'
import { peerClient } from '../../src/transport/http/client/peer-client.js'
import { undiciSend } from '../../src/transport/http/client/undici-send.js'

/** What listens and says what the test wants, once a request has come. */
async function listenRaw(answer: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('data', () => answer(socket))
  })
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function connect(url: string, timeout = 5_000): PeerService {
  const carrier = undiciSend()
  onTestFinished(() => carrier.close())
  return peerClient(url, { send: carrier.send, headers: () => ({}), timeout })
}

function headOf(length: number, status = '200 OK', type = WIRE_TYPE): string {
  return `HTTP/1.1 ${status}\r\ncontent-type: ${type}\r\ncontent-length: ${length}\r\n\r\n`
}

const answer = encodeFetchResponse({
  results: [
    {
      topicId: 't',
      partition: 0,
      type: 'entries',
      entries: [entry(0, bytes(5_000))],
      highWatermark: 1,
      round: 3,
      documentVersion: 2,
    },
  ],
})

describe('a broker that asks another', () => {
  it.each([0, 1, 60, 4_000, answer.length - 1])(
    'hears DISCONNECTED when the other stops after %i bytes of its answer',
    async (length) => {
      const url = await listenRaw((socket) => {
        socket.write(headOf(answer.length))
        socket.end(answer.subarray(0, length))
      })
      await expect(connect(url).fetch(fetchRequest)).rejects.toMatchObject({
        code: 'DISCONNECTED',
        retriable: true,
      })
    },
  )

  it.each([
    ['a page of a gateway', `${headOf(4, '502 Bad Gateway', 'text/html')}oops`],
    ['a page of something that thinks all is well', `${headOf(4, '200 OK', 'text/html')}oops`],
    ['something that is no message', `${headOf(4)}\0ops`],
    ['an empty answer', headOf(0)],
    ['a redirection', 'HTTP/1.1 307 Go\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n'],
    ['no HTTP', 'what?\r\n\r\n'],
  ])('hears DISCONNECTED when %s comes back', async (_, text) => {
    const url = await listenRaw((socket) => void socket.end(text))
    await expect(connect(url).fetch(fetchRequest)).rejects.toMatchObject({ code: 'DISCONNECTED' })
  })

  it('hears UNSUPPORTED when the answer is of a version that it does not read', async () => {
    const later = Uint8Array.from(answer)
    later[0] = 2
    const url = await listenRaw((socket) => {
      socket.write(headOf(later.length))
      socket.end(later)
    })
    await expect(connect(url).fetch(fetchRequest)).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('version 2'),
    })
  })

  it('waits as long as it has said that it would, and its own time beyond that', async () => {
    const url = await listenRaw(() => {})
    const began = performance.now()
    const error = connect(url, 500).fetch({ ...fetchRequest, wait: 1_500 })
    await expect(error).rejects.toMatchObject({ code: 'DISCONNECTED' })
    // undici counts in steps of about half a second.
    expect(performance.now() - began).toBeGreaterThan(1_400)
    expect(performance.now() - began).toBeLessThan(10_000)
  })

  it('has its answer when the other takes all of the wait', async () => {
    const service: Partial<PeerService> = {
      fetch: ({ wait }) => new Promise((resolve) => setTimeout(() => resolve({ results: [] }), wait)),
    }
    const transport = http({ port: 0 })
    const listener = await transport.listen({} as BrokerService, service as PeerService)
    onTestFinished(() => listener.close())
    const peer = connect(listener.address, 100)
    expect(await peer.fetch({ ...fetchRequest, wait: 1_000 })).toEqual({ results: [] })
  })

  it('hears DISCONNECTED where nobody listens, and INVALID_ARGUMENT of what is no URL', async () => {
    await expect(connect('http://127.0.0.1:1').fetch(fetchRequest)).rejects.toMatchObject({
      code: 'DISCONNECTED',
    })
    expect(() => http({ port: 0 }).connectPeer('mq-1')).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    )
  })

  it('reaches one that is below a path of something else', async () => {
    const paths: string[] = []
    const url = await listenRaw((socket) => {
      socket.write(headOf(answer.length))
      socket.end(answer)
    })
    const { send, close } = undiciSend()
    onTestFinished(close)
    const peer = peerClient(`${url}/mq/`, {
      send: (request) => {
        paths.push(request.path)
        return send(request)
      },
      headers: () => ({}),
      timeout: 5_000,
    })
    expect((await peer.fetch(fetchRequest)).results).toHaveLength(1)
    expect(paths).toEqual(['/mq/peer/v1/fetch'])
  })
})
