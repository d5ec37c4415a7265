import { isPortalError, PortalError } from '../../src/core/errors.js'

/** A message as the other side of a wire has it: nothing of it is shared. */
export function copyMessage<T>(message: T): T {
  return copy(message) as T
}

function copy(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array) return value.slice()
  if (isPortalError(value)) return new PortalError(value.code, value.message)
  if (Array.isArray(value)) return value.map(copy)
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, copy(part)]))
}
