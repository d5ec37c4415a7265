import { type ErrorCode, isPortalError, type PortalError } from './errors.js'

// What the conformance suites of all adapters check with: whoever runs them may have any test runner.

export function ensure(condition: boolean, what: string): void {
  if (!condition) throw new Error(`Not so: ${what}.`)
}

/** Compares two values by what `show` says of them: equal texts are equal values. */
export function equality(show: (value: unknown) => string) {
  return (actual: unknown, expected: unknown, what: string): void => {
    const [found, wanted] = [show(actual), show(expected)]
    if (found !== wanted) throw new Error(`${what}: expected ${wanted}, found ${found}.`)
  }
}

/** What the promise rejects with, which must be a PortalError of the code. */
export async function rejection(
  promise: Promise<unknown>,
  code: ErrorCode,
  what: string,
): Promise<PortalError> {
  try {
    await promise
  } catch (error) {
    if (isPortalError(error, code)) return error
    throw new Error(`${what}: expected ${code}, found ${error}.`, { cause: error })
  }
  throw new Error(`${what}: expected ${code}, and it was accepted.`)
}
