import { PortalError } from '../../core/errors.js'
import type { Route } from './route.js'

export interface Match {
  readonly route: Route
  readonly params: Readonly<Record<string, string>>
}

/** Finds routes by method and path: a tree of segments, so that the time does not grow with their number. */
export class Router {
  readonly #root = new Node()
  /** Where paths without parameters lead. */
  readonly #fixed = new Map<string, Node>()

  constructor(routes: readonly Route[]) {
    for (const route of routes) {
      let node = this.#root
      for (const segment of segmentsOf(route.path)) node = node.child(segment)
      node.routes.set(route.method, route)
      if (!route.path.includes('{')) this.#fixed.set(route.path, node)
    }
  }

  /** HEAD is answered as GET. Throws INVALID_ARGUMENT for a path that no name can be in. Undefined: there is nothing. */
  match(method: string, path: string): Match | { readonly allowed: readonly string[] } | undefined {
    const fixed = this.#fixed.get(path)
    if (fixed !== undefined) return fixed.answer(method, {})
    if (!path.startsWith('/')) return undefined
    const params: Record<string, string> = {}
    let node: Node | undefined = this.#root
    for (const segment of segmentsOf(path)) {
      const fixed: Node | undefined = node.fixed.get(segment)
      if (fixed === undefined && node.variable !== undefined) params[node.variableName] = decode(segment)
      node = fixed ?? node.variable
      if (node === undefined) return undefined
    }
    return node.routes.size === 0 ? undefined : node.answer(method, params)
  }
}

class Node {
  readonly routes = new Map<string, Route>()
  readonly fixed = new Map<string, Node>()
  variable: Node | undefined
  variableName = ''

  answer(method: string, params: Match['params']): Match | { readonly allowed: readonly string[] } {
    const route = this.routes.get(method === 'HEAD' ? 'GET' : method)
    return route === undefined ? { allowed: [...this.routes.keys()] } : { route, params }
  }

  child(segment: string): Node {
    if (segment.startsWith('{')) {
      this.variable ??= new Node()
      this.variableName = segment.slice(1, -1)
      return this.variable
    }
    const known = this.fixed.get(segment)
    if (known) return known
    const node = new Node()
    this.fixed.set(segment, node)
    return node
  }
}

function segmentsOf(path: string): string[] {
  const segments = path.split('/')
  segments.shift()
  if (segments[segments.length - 1] === '') segments.pop()
  return segments
}

/** A name out of a path. What decodes to a path of its own is refused before anybody could take it for one. */
function decode(segment: string): string {
  let name: string
  try {
    name = decodeURIComponent(segment)
  } catch {
    throw new PortalError('INVALID_ARGUMENT', 'The path holds a percent sign that begins no character.')
  }
  if (name.includes('/') || name.includes('\\') || name.includes('\0') || name === '.' || name === '..')
    throw new PortalError('INVALID_ARGUMENT', 'A name in the path must not hold a slash, and not be . or ...')
  return name
}
