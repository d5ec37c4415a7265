import { PortalError } from './errors.js'

/** Throws INVALID_ARGUMENT unless `options` is an object whose keys are all known; names the nearest one that is. */
export function checkOptionNames(where: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalid(`${where} takes an object of options, not ${describe(options)}.`)
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue
    const nearest = nearestName(name, known)
    const hint = nearest === undefined ? `It knows ${known.join(', ')}.` : `Did you mean '${nearest}'?`
    throw invalid(`${where} has no option '${name}'. ${hint}`)
  }
}

export interface NumberRule {
  readonly min?: number | undefined
  readonly max?: number | undefined
  /** @default true */
  readonly whole?: boolean | undefined
  /** For the error's sentence. */
  readonly unit?: string | undefined
  /** Whether Infinity is taken. @default false */
  readonly infinite?: boolean | undefined
}

/** The option's value, or `fallback` when it is undefined. Throws INVALID_ARGUMENT outside the rule. */
export function numberOption<F extends number | undefined>(
  name: string,
  value: unknown,
  fallback: F,
  rule: NumberRule = {},
): number | F {
  if (value === undefined) return fallback
  const { min = 0, max = Number.MAX_SAFE_INTEGER, whole = true, infinite = false } = rule
  if (infinite && value === Number.POSITIVE_INFINITY) return value
  if (
    typeof value !== 'number' ||
    (whole ? !Number.isSafeInteger(value) : !Number.isFinite(value)) ||
    value < min ||
    value > max
  ) {
    const unit = rule.unit === undefined ? '' : ` ${rule.unit}`
    const range = max === Number.MAX_SAFE_INTEGER ? `at least ${min}` : `from ${min} to ${max}`
    throw invalid(
      `'${name}' must be a ${whole ? 'whole ' : ''}number${unit}, ${range}; it is ${describe(value)}.`,
    )
  }
  return value
}

/** A duration in milliseconds; fractions are taken. */
export function durationOption<F extends number | undefined>(
  name: string,
  value: unknown,
  fallback: F,
  rule: NumberRule = {},
): number | F {
  return numberOption(name, value, fallback, { whole: false, unit: 'of milliseconds', ...rule })
}

export function signalOption(name: string, value: unknown): AbortSignal | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'object' && value !== null && 'aborted' in value && 'addEventListener' in value) {
    return value as AbortSignal
  }
  throw invalid(`'${name}' must be an AbortSignal; it is ${describe(value)}.`)
}

export function choiceOption<const C extends string, F extends C | undefined>(
  name: string,
  value: unknown,
  fallback: F,
  choices: readonly C[],
): C | F {
  if (value === undefined) return fallback
  if (choices.includes(value as C)) return value as C
  throw invalid(
    `'${name}' must be one of ${choices.map((choice) => `'${choice}'`).join(', ')}; it is ${describe(value)}.`,
  )
}

export function booleanOption(name: string, value: unknown, fallback: boolean): boolean {
  if (value === undefined) return fallback
  if (typeof value === 'boolean') return value
  throw invalid(`'${name}' must be true or false; it is ${describe(value)}.`)
}

/** A time in milliseconds since the Unix epoch. */
export function dateOption(name: string, value: Date): number {
  const time = value.getTime()
  if (Number.isFinite(time)) return time
  throw invalid(`'${name}' is not a valid Date.`)
}

/** `options` without the keys whose value is undefined. */
export function definedOnly<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never
}

export function invalid(message: string): PortalError<'INVALID_ARGUMENT'> {
  return new PortalError('INVALID_ARGUMENT', message)
}

/** A value, short enough for an error's sentence. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return `'${value.length > 40 ? `${value.slice(0, 40)}…` : value}'`
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return String(value)
  return Array.isArray(value) ? 'an array' : `of type ${typeof value}`
}

/** The known name that begins and ends as it does, over about half of its length at least. */
function nearestName(name: string, known: readonly string[]): string | undefined {
  let nearest: string | undefined
  let most = Math.max(1, Math.floor(name.length / 2))
  for (const candidate of known) {
    const alike = alikeAtEnds(name.toLowerCase(), candidate.toLowerCase())
    if (alike < most || (alike === most && nearest !== undefined)) continue
    most = alike
    nearest = candidate
  }
  return nearest
}

/** How many characters are the same from the beginning, and then from the end: letters that are missing, wrong or swapped are few in between. */
function alikeAtEnds(one: string, other: string): number {
  const length = Math.min(one.length, other.length)
  let alike = 0
  while (alike < length && one[alike] === other[alike]) alike++
  for (let back = 1; alike < length && one.at(-back) === other.at(-back); back++) alike++
  return alike
}
