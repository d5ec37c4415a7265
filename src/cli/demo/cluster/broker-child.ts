import { http } from '../../../http.js'
import { createBroker, isPortalError, type Logger } from '../../../index.js'
import { zookeeper } from '../../../zookeeper.js'

/** What a broker of the demo is told, as JSON, on its command line. */
export interface ChildSettings {
  readonly directory: string
  /** 0: any that is free. */
  readonly port: number
  /** Addresses, and the path of the cluster. */
  readonly zookeeper: string
  /** Milliseconds. */
  readonly sessionTimeout: number
  readonly rack: string
}

/** What it tells the demo. */
export type ChildMessage =
  | { readonly kind: 'ready'; readonly id: string; readonly url: string }
  | { readonly kind: 'leads'; readonly topic: string; readonly epoch: number }
  | { readonly kind: 'failed'; readonly message: string }

/** How long it may take to close once the demo is gone (ms). */
const CLOSE = 5_000

/** Its words would spoil the picture; what matters goes over the channel. */
const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} }

/**
 * A broker of the demo in a process of its own, until the demo is gone, however that came: nothing is left behind. Resolves to the exit code.
 */
export async function brokerChild(json: string): Promise<number> {
  // A terminal sends Ctrl-C to all processes: the demo says when to end.
  process.on('SIGINT', () => {})
  const orphaned = new Promise<void>((resolve) => process.once('disconnect', resolve))
  try {
    const settings = JSON.parse(json) as ChildSettings
    const broker = await createBroker({
      directory: settings.directory,
      transport: http({ port: settings.port, logger: silent }),
      coordination: zookeeper(settings.zookeeper, { sessionTimeout: settings.sessionTimeout }),
      replicas: 3,
      minInSync: 2,
      rack: settings.rack,
      logger: silent,
    })
    const closed = new Promise<number>((resolve) => {
      broker.once('close', ({ error }) => {
        if (error) tell({ kind: 'failed', message: error.message })
        resolve(error ? 1 : 0)
      })
    })
    broker.on('leader', ({ topic, epoch }) => tell({ kind: 'leads', topic, epoch }))
    tell({ kind: 'ready', id: broker.id, url: broker.url! })
    void orphaned.then(() => {
      setTimeout(() => process.exit(1), CLOSE).unref()
      return broker.close()
    })
    const code = await closed
    if (process.connected) process.disconnect()
    return code
  } catch (error) {
    if (!isPortalError(error)) throw error
    tell({ kind: 'failed', message: error.message })
    if (process.connected) process.disconnect()
    return 1
  }
}

function tell(message: ChildMessage): void {
  if (process.connected) process.send!(message)
}
