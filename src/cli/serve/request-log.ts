import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { DiagnosticsMessages, Logger } from '../../index.js'

/** An answer of this status or above is a fault of the broker's, or of its machine. */
const FAULT = 500

/** Logs every request over HTTP: faults as warnings, all others for debugging. Returns what ends it. */
export function logRequests(logger: Logger): () => void {
  const onRequest = (message: unknown) => {
    const { id, method, route, path, status, duration, principal } =
      message as DiagnosticsMessages['portal-mq:http:request']
    const level = status >= FAULT && route !== '/readyz' ? 'warn' : 'debug'
    const fields = {
      requestId: id,
      method,
      path,
      status,
      duration: Math.round(duration * 1e3) / 1e3,
      principal,
    }
    logger[level](fields, `${method} ${path} was answered with ${status}.`)
  }
  subscribe('portal-mq:http:request', onRequest)
  return () => void unsubscribe('portal-mq:http:request', onRequest)
}
