import type { Content } from './openapi.js'

/** What stands for a path's parameters. */
const NAMES: Readonly<Record<string, string>> = {
  topic: 'orders',
  group: 'billing',
  lock: 'nightly',
  partition: '0',
  token: '7',
}

const JSON_TYPE = 'application/json'

/** A `curl` line that makes the request; undefined: people do not make it, its body is binary. */
export function exampleOf(method: string, path: string, content: Content = {}): string | undefined {
  const types = Object.keys(content)
  if (types.length > 0 && !types.includes(JSON_TYPE)) return undefined
  const url = `localhost:5000${path.replace(/\{(\w+)\}/g, (_, name: string) => NAMES[name] ?? name)}`
  const body = content[JSON_TYPE]?.schema.examples?.[0]
  if (body === undefined) return method === 'GET' ? `curl ${url}` : `curl -X ${method} ${url}`
  // curl's own method for a body is POST.
  const verb = method === 'POST' ? '' : `-X ${method} `
  return `curl ${verb}${url} \\\n  --json '${JSON.stringify(body)}'`
}
