import { exampleOf } from './curl-example.js'
import { SCRIPT, STYLE } from './docs-page-assets.js'
import { properties, row, table, toHtml, toText, typeOf } from './docs-page-parts.js'
import type { Content, OpenApi, Operation, Parameter, Reference, Response } from './openapi.js'

interface Place {
  readonly method: string
  readonly path: string
  readonly operation: Operation
}

/** The description as one page of HTML that needs nothing else, to read and to search. */
export function docsPage(api: OpenApi): string {
  const { title, version, summary, description } = api.info
  const places = placesOf(api)
  const base = api.servers[0]!.url === '/' ? '' : api.servers[0]!.url
  const shapes = Object.entries(api.components.schemas)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${toText(title)} ${toText(version)} over HTTP</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<nav aria-label="Operations">
<a class="home" href="#top">${toText(title)}<small>${toText(version)}</small></a>
<input id="search" type="search" placeholder="Search: press /" aria-label="Search" autocomplete="off" spellcheck="false">
</nav>
<main id="top">
<header>
<h1>${toText(title)}</h1>
<p class="lead">${toText(summary)}
${description
  .split('\n')
  .map((line) => `<p>${toHtml(line)}`)
  .join('\n')}
${table(pathParameters(places).map(({ name, description }) => row(`{${name}}`, '', description)))}
<p>For programs: <a href="${base}/openapi.json">openapi.json</a>
</header>
<p id="nothing" hidden>Nothing here has all of these words.
${api.tags.map(({ name, description = '' }) => section(name, description, places.filter(isOf(name)), base)).join('')}
<section><h2>Shapes</h2>
${shapes.map(([name, schema]) => item(`shape-${name}`, `<code>${name}</code>`, [table(properties(schema))])).join('')}</section>
</main>
<script>${SCRIPT}</script>
</body>
</html>
`
}

function placesOf({ paths }: OpenApi): Place[] {
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      operation,
    })),
  )
}

function isOf(tag: string): (place: Place) => boolean {
  return ({ operation }) => operation.tags.includes(tag)
}

/** What stands in paths, told of once. */
function pathParameters(places: readonly Place[]): Parameter[] {
  const all = places.flatMap(({ operation }) => operation.parameters ?? [])
  return [...new Map(all.filter((one) => one.in === 'path').map((one) => [one.name, one])).values()]
}

function section(tag: string, description: string, places: readonly Place[], base: string): string {
  const items = places.map((place) => operationItem(place, base)).join('')
  return `<section><h2>${toText(tag)}</h2><p>${toHtml(description)}\n${items}</section>\n`
}

function operationItem({ method, path, operation }: Place, base: string): string {
  const { operationId, summary, description, parameters = [], requestBody, responses } = operation
  const shown = toText(path).replace(/\{\w+\}/g, '<var>$&</var>')
  const example = exampleOf(method, base + path, requestBody?.content)
  const asked = parameters.filter((one) => one.in !== 'path')
  return item(operationId, `${badge(method)}<code>${shown}</code><span>${toHtml(summary)}</span>`, [
    description && `<p>${toHtml(description)}`,
    example && `<pre>${toText(example)}</pre>`,
    asked.length > 0 && `<h3>Parameters</h3>${table(asked.map(parameterRow))}`,
    requestBody && `<h3>Body${requestBody.required ? '' : ' <i>may be left out</i>'}</h3>`,
    requestBody && bodies(requestBody.content),
    `<h3>Answers</h3>${table(Object.entries(responses).map(answerRow))}`,
  ])
}

function item(id: string, head: string, parts: readonly (string | false | undefined)[]): string {
  const body = parts.filter((part) => part).join('')
  return `<details id="${id}"><summary>${head}</summary>${body}</details>\n`
}

function parameterRow({ name, in: place, description, schema }: Parameter): string {
  return row(name, `${typeOf(schema)}${place === 'header' ? ', a header' : ''}`, description)
}

function bodies(content: Content): string {
  return Object.entries(content)
    .map(([type, { schema }]) => {
      const about = schema.description === undefined ? '' : `: ${toHtml(schema.description)}`
      const shape = schema.properties ? table(properties(schema)) : `<p>${typeOf(schema)}${about}`
      return `<h4>${toText(type)}</h4>${shape}`
    })
    .join('')
}

/** The usual problems are told of at the top. */
function answerRow([status, response]: [string, Response | Reference]): string {
  if ('$ref' in response) return ''
  const types = Object.entries(response.content ?? {}).map(([type, { schema }]) =>
    type === 'application/json' ? typeOf(schema) : toText(type),
  )
  return row(status, types.join(', '), response.description)
}

function badge(method: string): string {
  return `<b class=${method.toLowerCase()}>${method}</b>`
}
