import { http } from '../../http.js'
import { type Broker, createBroker, type Logger } from '../../index.js'
import { logCluster } from './cluster-log.js'
import { clusterPart } from './cluster-options.js'
import { httpOptions } from './http-options.js'
import { jsonLogger } from './json-logger.js'
import { logRequests } from './request-log.js'
import { type Environment, type Flags, resolveSettings } from './settings.js'

/** What shells say of a process that a signal ended. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const
type Signal = keyof typeof EXIT_CODES

/**
 * Serves a directory over HTTP until a signal or a failure of its storage ends it. Resolves to the exit code: 0 after a signal, 1 after a failure;
 * rejects when it cannot begin.
 */
export async function serve(flags: Flags, environment: Environment = process.env): Promise<number> {
  const settings = resolveSettings(flags, environment)
  const logger = jsonLogger(settings.logLevel)
  const cluster = clusterPart(settings)
  const server = { ...httpOptions(settings), logger }
  const signals = listenToSignals(logger)
  const stopLogging = logRequests(logger)
  try {
    const broker = await createBroker({
      ...settings.broker,
      ...cluster,
      directory: settings.directory,
      transport: http(server),
      logger,
    })
    logCluster(broker, logger)
    const { url } = broker
    process.stdout.write(`portal-mq listens at ${url}\n`)
    logger.info({ url, directory: settings.directory, broker: broker.id, pid: process.pid }, 'Listening.')
    return await untilClosed(broker, signals.stop, logger)
  } finally {
    stopLogging()
    signals.end()
  }
}

async function untilClosed(broker: Broker, stop: Promise<Signal>, logger: Logger): Promise<number> {
  const closed = new Promise<number>((resolve) => {
    broker.once('close', ({ error }) => {
      if (error) logger.error({ code: error.code, err: error }, `Stopped: ${error.message}`)
      else logger.info({}, 'Stopped.')
      resolve(error ? 1 : 0)
    })
  })
  void stop.then(async (signal) => {
    logger.info({ signal }, `${signal}: finishing what was accepted. Another signal ends at once.`)
    await broker.close()
  })
  return closed
}

/** The first signal asks to stop; a second one ends the process at once. */
function listenToSignals(logger: Logger): { readonly stop: Promise<Signal>; end(): void } {
  let asked = false
  let ask: (signal: Signal) => void
  const stop = new Promise<Signal>((resolve) => {
    ask = resolve
  })
  const onSignal = (signal: Signal) => {
    if (asked) {
      logger.warn({ signal }, `${signal} again: ended at once.`)
      process.exit(EXIT_CODES[signal])
    }
    asked = true
    ask(signal)
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  return {
    stop,
    end() {
      process.off('SIGINT', onSignal)
      process.off('SIGTERM', onSignal)
    },
  }
}
