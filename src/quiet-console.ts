import type { Logger } from './protocol/connection.js'

/** Where warnings and errors go that nobody gave a logger for. */
export const quietConsole: Logger = {
  debug() {},
  info() {},
  warn: (_fields, message) => console.warn(`portal-mq: ${message}`),
  error: (_fields, message) => console.error(`portal-mq: ${message}`),
}
