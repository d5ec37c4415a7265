import { writeSync } from 'node:fs'
import type { Socket } from 'node:net'
import { http } from '../../src/http.js'
import { createBroker } from '../../src/index.js'
import type { Transport } from '../../src/transport/transport.js'
import { zookeeper } from '../../src/zookeeper.js'
import type { BrokerConfig, BrokerWord } from './broker-process.js'

/**
 * One broker of a cluster, in a process that may be killed, stopped and continued at any time. What it says is a line of JSON on its
 * standard output (BrokerWord); SIGTERM closes it.
 */
const config = JSON.parse(process.argv[2]!) as BrokerConfig

/** At once, so that nothing that was said dies with the process. */
function say(word: BrokerWord): void {
  try {
    writeSync(1, `${JSON.stringify(word)}\n`)
  } catch {
    // Nobody reads any more: the parent is gone, and this process goes, too.
    process.exit(1)
  }
}

/** The ways from this broker to the others can be cut, each alone: to every other broker it goes through a relay of its own. */
function throughRelays(transport: Transport): Transport {
  const relayed = (address: string) => config.relays[address] ?? address
  return {
    listen: (service, peers) => transport.listen(service, peers),
    connect: (address) => transport.connect(address),
    connectForwarding: (address) => transport.connectForwarding(relayed(address)),
    connectPeer: (address) => transport.connectPeer(relayed(address)),
  }
}

const logged = (level: 'warn' | 'error') => (fields: unknown, message: string) => {
  const cause = (fields as { err?: Error } | undefined)?.err
  say({ said: 'log', level, message: `${message}${cause ? ` ${cause.stack ?? cause.message}` : ''}` })
}

const broker = await createBroker({
  directory: config.directory,
  transport: throughRelays(http({ ...config.http, port: config.port, advertise: config.url })),
  coordination: zookeeper(config.zookeeper, { sessionTimeout: config.sessionTimeout }),
  replicaLag: config.replicaLag,
  logger: { debug() {}, info() {}, warn: logged('warn'), error: logged('error') },
})
broker.on('leader', (led) => say({ said: 'leader', ...led }))
broker.on('isr', (isr) => say({ said: 'isr', ...isr }))
broker.on('error', ({ code, message }) =>
  say({ said: 'log', level: 'error', message: `${code}: ${message}` }),
)
broker.on('close', ({ error }) => {
  if (error === undefined) return
  say({ said: 'log', level: 'error', message: `It stops: ${error.code}: ${error.message}` })
  process.exitCode = 1
})
process.on('SIGTERM', () => void broker.close())
// Whoever started it is gone. A socket, as every pipe is here: it alone shall not keep the process alive.
const parent = process.stdin as Socket
parent.on('close', () => process.exit(1))
parent.resume().unref()
say({ said: 'ready', id: broker.id })
