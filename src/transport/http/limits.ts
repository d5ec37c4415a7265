import { checkOptionNames, durationOption, invalid, numberOption } from '../../core/options.js'

/** What one caller, and all together, may take of the server. Each has an error of its own. */
export interface HttpLimits {
  /** Bytes of a request's body; longer: MESSAGE_TOO_LARGE, status 413. 1 KiB to 256 MiB. @default 32 MiB */
  readonly bodyBytes?: number | undefined
  /** Bytes of a request's headers together; more: status 431. 1 KiB to 1 MiB. @default 16 KiB */
  readonly headerBytes?: number | undefined
  /** Characters of the path with its query; more: status 414. 256 to 65,536. @default 4,096 */
  readonly urlLength?: number | undefined
  /** Connections at the same time; more are answered with status 503, or cut. @default 10,000 */
  readonly connections?: number | undefined
  /**
   * Requests per second of one principal, after twice as many at once; more: QUOTA_EXCEEDED, status 429. Without `auth` it is
   * one address that has them. Callers who are refused have 100 per address. Infinity: no limit. @default 50,000
   */
  readonly requestsPerSecond?: number | undefined
  /**
   * Bytes of bodies and answers of one principal that are on their way; more: QUOTA_EXCEEDED, status 429. At least `bodyBytes`. Infinity: no limit.
   * @default 256 MiB
   */
  readonly bytesInFlight?: number | undefined
  /** Milliseconds until a request's headers must have come; then status 408. From 100. @default 10,000 */
  readonly headersTimeout?: number | undefined
  /** Milliseconds until a whole request must have come; then status 408. At least `headersTimeout`. @default 60,000 */
  readonly requestTimeout?: number | undefined
  /** Milliseconds for which a caller may take nothing of an answer that is ready; then the connection is cut. From 100. @default 60,000 */
  readonly answerTimeout?: number | undefined
}

export type ResolvedLimits = { readonly [L in keyof HttpLimits]-?: number }

const NAMES = [
  'bodyBytes',
  'headerBytes',
  'urlLength',
  'connections',
  'requestsPerSecond',
  'bytesInFlight',
  'headersTimeout',
  'requestTimeout',
  'answerTimeout',
] as const satisfies readonly (keyof HttpLimits)[]

/** Throws INVALID_ARGUMENT. */
export function resolveLimits(limits: HttpLimits = {}): ResolvedLimits {
  checkOptionNames('limits', limits, NAMES)
  const bytes = { unit: 'of bytes' }
  const bodyBytes = numberOption('limits.bodyBytes', limits.bodyBytes, 32 << 20, {
    ...bytes,
    min: 1_024,
    max: 256 << 20,
  })
  const headersTimeout = durationOption('limits.headersTimeout', limits.headersTimeout, 10_000, TIMEOUT)
  const requestTimeout = durationOption(
    'limits.requestTimeout',
    limits.requestTimeout,
    Math.max(60_000, headersTimeout),
    TIMEOUT,
  )
  if (requestTimeout < headersTimeout)
    throw invalid(
      `'limits.requestTimeout' must be at least limits.headersTimeout, which is ${headersTimeout}; it is ${requestTimeout}.`,
    )
  return {
    bodyBytes,
    headersTimeout,
    requestTimeout,
    answerTimeout: durationOption('limits.answerTimeout', limits.answerTimeout, 60_000, TIMEOUT),
    headerBytes: numberOption('limits.headerBytes', limits.headerBytes, 16_384, {
      ...bytes,
      min: 1_024,
      max: 1 << 20,
    }),
    urlLength: numberOption('limits.urlLength', limits.urlLength, 4_096, {
      unit: 'of characters',
      min: 256,
      max: 65_536,
    }),
    connections: numberOption('limits.connections', limits.connections, 10_000, { min: 1, max: 1_000_000 }),
    requestsPerSecond: numberOption('limits.requestsPerSecond', limits.requestsPerSecond, 50_000, {
      min: 1,
      infinite: true,
    }),
    bytesInFlight: numberOption(
      'limits.bytesInFlight',
      limits.bytesInFlight,
      Math.max(256 << 20, bodyBytes),
      { ...bytes, min: bodyBytes, infinite: true },
    ),
  }
}

/** A day: longer is no limit, and no timer. */
const TIMEOUT = { min: 100, max: 86_400_000 }
