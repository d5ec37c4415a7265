import type { Shape } from './openapi.js'

// The page has hundreds of rows: the end tags that HTML lets out are left out.

export function table(rows: readonly string[]): string {
  return `<table>${rows.join('')}</table>`
}

/** `type` is HTML, `description` is text. */
export function row(name: string, type: string, description: string | undefined): string {
  const about = description === undefined ? '' : `<p>${toHtml(description)}`
  return `<tr><th>${toText(name)}<td>${type === '' ? '' : `<i>${type}</i>`}${about}`
}

/** The properties of a shape, those that may be missing with a question mark. */
export function properties({ properties: all = {}, required = [] }: Shape): string[] {
  return Object.entries(all).map(([name, schema]) =>
    row(required.includes(name) ? name : `${name}?`, typeOf(schema), schema.description),
  )
}

/** A schema in few words, as HTML. */
export function typeOf(schema: Shape): string {
  const { $ref, anyOf, enum: values, items, properties: own, contentMediaType } = schema
  if ($ref !== undefined) return linkTo($ref.slice($ref.lastIndexOf('/') + 1))
  if (anyOf) return anyOf.map(typeOf).join(' or ')
  // The codes are many, and all over the place.
  if (values)
    return values.length > 12 ? 'string' : toText(values.map((one) => JSON.stringify(one)).join(' or '))
  if (items) return `list of ${typeOf(items)}`
  if (own)
    return `{ ${Object.entries(own)
      .map(([name, one]) => `${toText(name)}: ${typeOf(one)}`)
      .join(', ')} }`
  if (contentMediaType !== undefined) return 'bytes'
  return plainType(schema)
}

function plainType({ type, format, minimum, maximum }: Shape): string {
  const name = format ?? type ?? 'any JSON'
  if (maximum !== undefined) return `${name}, ${count(minimum ?? 0)} to ${count(maximum)}`
  return minimum ? `${name}, from ${count(minimum)}` : name
}

function count(value: number): string {
  return value.toLocaleString('en')
}

function linkTo(shape: string): string {
  return `<a href="#shape-${shape}">${shape}</a>`
}

/** Text as HTML, in which what stands between backticks is code. */
export function toHtml(text: string): string {
  return toText(text).replace(/`([^`]+)`/g, '<code>$1</code>')
}

/** For what stands between tags; nothing of ours that stands in attributes has quotes. */
export function toText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
