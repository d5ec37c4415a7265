import { request as ask, type IncomingMessage, type ServerResponse } from 'node:http'
import { pipeline } from 'node:stream'

/** Passes a request on to `target`, and its answer back: what nginx or the like does before a broker. */
export function passOn(
  request: IncomingMessage,
  response: ServerResponse,
  target: string,
  path: string,
): void {
  // Whose page it is was for us to know; to the broker we are no page.
  const { host: _, origin: __, ...headers } = request.headers
  const onward = ask(target + path, { method: request.method, headers })
  onward.on('response', (answer) => {
    response.writeHead(answer.statusCode!, answer.headers)
    pipeline(answer, response, () => {})
  })
  // The broker is away, or went before it had answered: clients take that for what it is.
  onward.on('error', () => {
    if (response.headersSent) response.destroy()
    else response.writeHead(502).end()
  })
  // Whoever leaves is not waited for any more.
  response.on('close', () => onward.destroy())
  request.pipe(onward)
}
