// The same within an application that has a server already, here Express: below /mq is the broker, everything else is yours.
//   PORT        0 for any that is free
//   DIRECTORY   where messages are kept
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { createBroker } from 'portal-mq'
import { createHandler, toNodeHandler } from 'portal-mq/http'

const { PORT = '3000', DIRECTORY = './data' } = process.env

const broker = await createBroker({ directory: DIRECTORY })
const app = express()

// Before express.json(): the broker reads its bodies by itself. Who may come in, your own middleware says, or `auth` does.
// Where requests and responses are those of the web (Hono, Next.js, Deno, Bun), createHandler's function is enough.
app.use('/mq', toNodeHandler(createHandler(broker, { basePath: '/mq' })))
app.get('/', (_request, response) => {
  response.send('The application. Its queue is at /mq, described at /mq/docs.')
})

const server = app.listen(Number(PORT), '127.0.0.1')
await once(server, 'listening')
console.log(`the application is at http://localhost:${(server.address() as AddressInfo).port}`)

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, close)

async function close(): Promise<void> {
  server.close()
  // What waits at the broker ends with it; connections that are kept alive end here.
  await broker.close()
  server.closeAllConnections()
}
