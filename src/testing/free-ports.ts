import { createServer } from 'node:net'
import { systemRuntime } from '../runtime/system.js'

/** Below the ports that systems give to connections: one that is tried while its server is down could else be connected to itself. */
const FIRST_PORT = 15_000
const LAST_PORT = 32_000

/** Different ports of loopback on which nobody listens now. Another process may take one before it is used. */
export async function freePorts(count: number): Promise<number[]> {
  const { random } = systemRuntime()
  const ports = new Set<number>()
  while (ports.size < count) {
    const port = FIRST_PORT + Math.floor(random.float() * (LAST_PORT - FIRST_PORT))
    if (await isFree(port)) ports.add(port)
  }
  return [...ports]
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
