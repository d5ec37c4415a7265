import type { IncomingMessage, ServerResponse } from 'node:http'
import type { HttpResponse } from './exchange.js'

/** Milliseconds for which the rest of a refused request is taken and thrown away, so that its sender comes to read why. */
export const LINGER = 1_000

/**
 * Writes an answer, and resolves once all of it is on its way. `timeout`: milliseconds for which its caller may take nothing of what is ready; then the
 * connection is cut.
 */
export async function writeAnswer(
  message: IncomingMessage,
  response: ServerResponse,
  { status, headers, body }: HttpResponse,
  timeout: number,
): Promise<void> {
  if (!message.complete) lingerAfter(message, response)
  // Node ends a socket on which nothing moves for so long; it has a time of its own for those that rest between requests.
  const hurry = (limit: number) => message.socket.setTimeout(limit)
  if (body === undefined || message.method === 'HEAD') {
    response.writeHead(status, headers).end()
  } else if (typeof body === 'string' || body instanceof Uint8Array) {
    // Without its length it would be cut into chunks, and be several pieces to write.
    headers['content-length'] = String(Buffer.byteLength(body))
    response.writeHead(status, headers).end(body)
    if (response.writableLength > 0) hurry(timeout)
  } else {
    response.writeHead(status, headers)
    for await (const piece of body) {
      if (response.destroyed) break
      if (response.write(piece)) continue
      hurry(timeout)
      await drained(response)
      // What comes piece by piece may be silent for longer.
      hurry(0)
    }
    response.end()
  }
}

/** Takes what still comes of a request that is answered already, for a while: a connection that is cut loses the answer, too. */
function lingerAfter(message: IncomingMessage, response: ServerResponse): void {
  response.once('finish', () => {
    const timer = setTimeout(() => message.destroy(), LINGER)
    message.once('close', () => clearTimeout(timer))
    message.removeAllListeners('data')
    message.resume()
  })
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done)
      response.off('close', done)
      resolve()
    }
    response.on('drain', done)
    response.on('close', done)
  })
}
