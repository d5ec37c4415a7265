import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { undiciSend } from '../../src/transport/http/client/undici-send.js'

/** A server that keeps every request until it is told to answer. */
async function openServer() {
  const kept: ServerResponse[] = []
  const sockets = new Set<Socket>()
  let most = 0
  let isOpen = false
  const server = createServer((message, response) => {
    message.resume()
    if (isOpen) response.end('ok')
    else kept.push(response)
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    most = Math.max(most, sockets.size)
    socket.once('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const answerAll = () => {
    isOpen = true
    for (const response of kept) response.end('ok')
  }
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    kept,
    most: () => most,
    answerAll,
  }
}

function openCaller(origin: string) {
  const { send, close } = undiciSend()
  onTestFinished(close)
  return (waits: boolean) =>
    send({
      method: 'POST',
      origin,
      path: '/',
      headers: {},
      body: 'hello',
      signal: undefined,
      timeout: 30_000,
      waits,
    })
}

describe('connections to one broker', () => {
  it('are 256 at most for calls that do not sleep: more of them wait their turn, and all are answered', async () => {
    const server = await openServer()
    const call = openCaller(server.origin)
    const calls = Array.from({ length: 2_000 }, () => call(false))
    await expect.poll(() => server.kept.length, { timeout: 20_000 }).toBe(256)
    server.answerAll()
    const answers = await Promise.all(calls)
    expect(answers.every(({ status }) => status === 200)).toBe(true)
    expect(server.most()).toBe(256)
  })

  it('are one for each call that sleeps, however many calls of the other kind there are', async () => {
    const server = await openServer()
    const call = openCaller(server.origin)
    const calls = [true, false].flatMap((waits) => Array.from({ length: 600 }, () => call(waits)))
    await expect.poll(() => server.kept.length, { timeout: 20_000 }).toBe(600 + 256)
    server.answerAll()
    await Promise.all(calls)
  })
})
