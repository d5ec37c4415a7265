import { type Connection, connect, createBroker, PortalError } from '../index.js'

/** Which broker a command works with: that of a directory, or one that is served elsewhere. */
export interface Target {
  readonly directory?: string
  readonly url?: string
  readonly token?: string
}

const DIRECTORY = './portal-mq-data'

/** Opens the broker of a directory, or connects to one, for as long as `work` takes. */
export async function withBroker<T>(target: Target, work: (broker: Connection) => Promise<T>): Promise<T> {
  const broker = await openTarget(target, process.env)
  try {
    return await work(broker)
  } finally {
    await broker.close()
  }
}

/** What was said on the command line goes before the environment; there a URL goes before a directory. */
async function openTarget(
  { directory, url, token }: Target,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Connection & { close(): Promise<void> }> {
  if (directory !== undefined && url !== undefined) {
    throw new PortalError(
      'INVALID_ARGUMENT',
      'Both --directory and --url are given: a command works with the broker of a directory, or with one that is served.',
    )
  }
  const served = url ?? (directory === undefined ? environment['PORTAL_MQ_URL'] || undefined : undefined)
  if (served !== undefined) {
    const secret = token ?? (environment['PORTAL_MQ_TOKEN'] || undefined)
    return connect(served.split(','), secret === undefined ? {} : { token: secret })
  }
  if (token !== undefined)
    throw new PortalError('INVALID_ARGUMENT', '--token is for a broker that is served: it needs --url.')
  return createBroker({ directory: directory ?? (environment['PORTAL_MQ_DIRECTORY'] || DIRECTORY) })
}

/** A signal that aborts at the first SIGINT or SIGTERM: what is in hand is finished; a second one ends at once. */
export function interruption(): { readonly signal: AbortSignal; stop(): void } {
  const controller = new AbortController()
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(130)
    controller.abort()
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  return {
    signal: controller.signal,
    stop() {
      process.off('SIGINT', onSignal)
      process.off('SIGTERM', onSignal)
    },
  }
}
