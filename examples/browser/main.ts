// A page that publishes and shows messages live, with the client in the browser:  main.ts, then open the address that it prints.
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { createBroker } from 'portal-mq'
import { createHandler, toNodeHandler } from 'portal-mq/http'

const { PORT = '8080', DIRECTORY = './data/wall' } = process.env
const here = (file: string) => fileURLToPath(new URL(file, import.meta.url))

const html = await readFile(here('index.html'))
// The page's program with `portal-mq/client` in it, as one module. Your bundler does the same.
const { outputFiles } = await build({
  entryPoints: [here('page.js')],
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  write: false,
})
const program = outputFiles[0]!.contents

const broker = await createBroker({ directory: DIRECTORY })
const mq = toNodeHandler(createHandler(broker, { basePath: '/mq' }))

// The page and the broker under one address: browsers ask nobody for permission then. (For a broker elsewhere: `http({ cors: { origins } })`.)
// Whoever opens the page may do everything with the broker: createHandler's `auth`, or your server's own, would decide.
const server = createServer((request, response) => {
  const path = request.url ?? '/'
  if (path.startsWith('/mq/')) mq(request, response)
  else if (path === '/') response.setHeader('content-type', 'text/html; charset=utf-8').end(html)
  else if (path === '/page.js') response.setHeader('content-type', 'text/javascript').end(program)
  else response.writeHead(404).end()
})
server.listen(Number(PORT), '127.0.0.1')
await once(server, 'listening')
console.log(`open http://localhost:${(server.address() as AddressInfo).port}`)

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, close)

async function close(): Promise<void> {
  // The pages' long polls end with the broker.
  server.close()
  await broker.close()
  server.closeAllConnections()
}
