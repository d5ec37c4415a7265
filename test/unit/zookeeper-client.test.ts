import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { zookeeper } from '../../src/zookeeper.js'

const host = { persistence: { load: async () => new Map<string, Uint8Array>(), save: async () => {} } }

/** A server on loopback that is no ZooKeeper, or one of few words. */
async function startServer(
  serve: (socket: Socket) => void,
): Promise<{ address: string; connections: () => number }> {
  let connections = 0
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    connections++
    sockets.add(socket)
    socket.on('error', () => {})
    serve(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections: () => connections,
  }
}

const ints = (...values: number[]) => {
  const bytes = Buffer.alloc(4 * values.length)
  for (const [at, value] of values.entries()) bytes.writeInt32BE(value, 4 * at)
  return bytes
}

/** The answer to a connect: version, timeout, session (two halves), password. */
const granted = (timeout: number) =>
  Buffer.concat([ints(4 * 4 + 4 + 16, 0, timeout, 0, 7, 16), Buffer.alloc(16)])

describe('a server that does not keep to the protocol', () => {
  it.each<readonly [string, (socket: Socket) => void]>([
    ['ends every connection', (socket) => socket.destroy()],
    ['speaks HTTP', (socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['announces a frame of 2 GB', (socket) => socket.write(ints(0x7fffffff))],
    ['announces a frame of -1 bytes', (socket) => socket.write(ints(-1))],
    ['sends a frame that is too short', (socket) => socket.write(ints(4, 0))],
    [
      'announces a password that is longer than its frame',
      (socket) => socket.write(ints(20, 0, 6_000, 0, 7, 1_000)),
    ],
    [
      'answers what was not asked',
      (socket) =>
        socket.once('data', () => socket.write(Buffer.concat([granted(6_000), ints(16, 99, 0, 0, 0)]))),
    ],
  ])('and %s is tried again, until the deadline', async (_, serve) => {
    const { address, connections } = await startServer(serve)
    const opening = zookeeper(address, { connectTimeout: 450 })(host)
    await expect(opening).rejects.toMatchObject({
      code: 'DISCONNECTED',
      message: expect.stringContaining(address),
    })
    const tried = connections()
    expect(tried).toBeGreaterThan(1)
    // With pauses: no storm.
    expect(tried).toBeLessThan(12)
  })

  it('does not keep its client from the other servers', async () => {
    const silent = await startServer(() => {})
    const refusing = await startServer((socket) => socket.once('data', () => socket.write(granted(0))))
    const opening = zookeeper(`${silent.address},${refusing.address}`, {
      sessionTimeout: 600,
      connectTimeout: 20_000,
    })(host)
    // The second says that there is no session.
    await expect(opening).rejects.toMatchObject({ code: 'DISCONNECTED', message: /ended the session/ })
  })
})
