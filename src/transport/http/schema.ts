import { PortalError } from '../../core/errors.js'

/** What we use of JSON Schema 2020-12, which is what OpenAPI 3.1 speaks. The same object checks requests and documents them. */
export interface Schema {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean' | 'null' | undefined
  readonly description?: string | undefined
  readonly properties?: Readonly<Record<string, Schema>> | undefined
  readonly required?: readonly string[] | undefined
  /** A schema for the values of properties that have none of their own; false: there are none. */
  readonly additionalProperties?: boolean | Schema | undefined
  readonly items?: Schema | undefined
  readonly maxItems?: number | undefined
  readonly minItems?: number | undefined
  readonly enum?: readonly (string | number | boolean | null)[] | undefined
  readonly minimum?: number | undefined
  readonly maximum?: number | undefined
  readonly minLength?: number | undefined
  readonly maxLength?: number | undefined
  readonly pattern?: string | undefined
  readonly format?: string | undefined
  readonly anyOf?: readonly Schema[] | undefined
  readonly default?: unknown
  readonly examples?: readonly unknown[] | undefined
}

/** Throws INVALID_ARGUMENT, naming the place, unless the value is as the schema says. */
export function checkSchema(schema: Schema, value: unknown, place: string): void {
  const fault = findFault(schema, value, place)
  if (fault !== undefined) throw new PortalError('INVALID_ARGUMENT', `${fault}.`)
}

/** What is wrong with a value, in words; undefined: nothing. */
export function findFault(schema: Schema, value: unknown, place: string): string | undefined {
  if (schema.anyOf) return faultOfAny(schema.anyOf, value, place)
  if (schema.enum && !schema.enum.includes(value as string))
    return `${place} must be one of ${schema.enum.map((one) => JSON.stringify(one)).join(', ')}`
  switch (schema.type) {
    case 'object':
      return faultOfObject(schema, value, place)
    case 'array':
      return faultOfArray(schema, value, place)
    case 'string':
      return faultOfString(schema, value, place)
    case 'integer':
    case 'number':
      return faultOfNumber(schema, value, place)
    case 'boolean':
      return typeof value === 'boolean' ? undefined : `${place} must be true or false`
    case 'null':
      return value === null ? undefined : `${place} must be null`
    case undefined:
      return undefined
  }
}

function faultOfAny(schemas: readonly Schema[], value: unknown, place: string): string | undefined {
  const faults = schemas.map((schema) => findFault(schema, value, place))
  return faults.includes(undefined) ? undefined : faults.join(', or ')
}

function faultOfObject(schema: Schema, value: unknown, place: string): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return `${place} must be an object`
  for (const name of schema.required ?? []) {
    if (!Object.hasOwn(value, name)) return `${place} must have '${name}'`
  }
  const { properties = {}, additionalProperties: others = true } = schema
  for (const [name, one] of Object.entries(value)) {
    const own = Object.hasOwn(properties, name) ? properties[name] : others
    if (own === false) {
      const known = Object.keys(properties).join(', ')
      return `${place} has no property '${name.slice(0, 64)}': it knows ${known}`
    }
    const fault = typeof own === 'object' ? findFault(own, one, `${place}.${name.slice(0, 64)}`) : undefined
    if (fault !== undefined) return fault
  }
  return undefined
}

function faultOfArray(schema: Schema, value: unknown, place: string): string | undefined {
  if (!Array.isArray(value)) return `${place} must be an array`
  const { minItems = 0, maxItems = Number.POSITIVE_INFINITY, items } = schema
  if (value.length < minItems || value.length > maxItems)
    return `${place} must have ${minItems} to ${maxItems} items`
  if (items === undefined) return undefined
  for (let at = 0; at < value.length; at++) {
    const fault = findFault(items, value[at], `${place}[${at}]`)
    if (fault !== undefined) return fault
  }
  return undefined
}

function faultOfString(schema: Schema, value: unknown, place: string): string | undefined {
  if (typeof value !== 'string') return `${place} must be a string`
  const { minLength = 0, maxLength = Number.POSITIVE_INFINITY, pattern, format } = schema
  if (value.length < minLength || value.length > maxLength)
    return `${place} must have ${minLength} to ${maxLength} characters`
  if (pattern !== undefined && !new RegExp(pattern).test(value)) return `${place} must match ${pattern}`
  if (format === 'date-time' && (Number.isNaN(Date.parse(value)) || /^-?\d+$/.test(value)))
    return `${place} must be a time in ISO 8601`
  return undefined
}

function faultOfNumber(schema: Schema, value: unknown, place: string): string | undefined {
  const { minimum = Number.NEGATIVE_INFINITY, maximum = Number.POSITIVE_INFINITY } = schema
  const isFit = schema.type === 'integer' ? Number.isSafeInteger(value) : Number.isFinite(value)
  if (!isFit) return `${place} must be a ${schema.type === 'integer' ? 'whole number' : 'number'}`
  if ((value as number) < minimum || (value as number) > maximum) {
    if (maximum === Number.POSITIVE_INFINITY) return `${place} must be at least ${minimum}`
    return `${place} must be from ${minimum} to ${maximum}`
  }
  return undefined
}
