import type { Logger } from '../../index.js'

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** A logger of one JSON object a line: time, level, message, then the fields. */
export function jsonLogger(
  least: LogLevel,
  write: (line: string) => void = (line) => void process.stderr.write(line),
): Logger {
  const rank = LOG_LEVELS.indexOf(least)
  const at = (level: Exclude<LogLevel, 'silent'>) => {
    if (LOG_LEVELS.indexOf(level) < rank) return () => {}
    return (fields: object, message: string) => write(`${formatLine(level, message, fields)}\n`)
  }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

function formatLine(level: LogLevel, message: string, fields: object): string {
  const head = { time: new Date().toISOString(), level, message }
  try {
    return JSON.stringify({ ...head, ...fields, ...head }, (_, value: unknown) => printable(value))
  } catch {
    // A circle, or a getter that throws: the message is what matters.
    return JSON.stringify(head)
  }
}

/** Errors as objects: JSON shows nothing of them by itself. */
function printable(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value)
  if (!(value instanceof Error)) return value
  const { name, message, stack, cause } = value
  const { code } = value as { code?: unknown }
  return { name, code, message, stack, cause }
}
