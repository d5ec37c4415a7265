import { InvalidArgumentError } from 'commander'

/** A number above 0, of a flag. */
export function positive(text: string): number {
  const value = Number(text)
  if (Number.isFinite(value) && value > 0) return value
  throw new InvalidArgumentError('It must be a number above 0.')
}
