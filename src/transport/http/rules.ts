import { PortalError } from '../../core/errors.js'
import { checkOptionNames, describe, invalid } from '../../core/options.js'
import type { Action, Authorize } from '../../protocol/service.js'

/**
 * What a principal may do. Every list holds patterns, in which `*` stands for any characters: `orders`, `temp_*`, `*`.
 * Nothing is implied: who may administer a topic may not read it for that.
 */
export interface HttpRule {
  /** A pattern of principals. */
  readonly principal: string
  /** Topics that they may send to. @default none */
  readonly produce?: readonly string[] | undefined
  /** Topics that they may consume and read, with groups of their own. @default none */
  readonly consume?: readonly string[] | undefined
  /** Topics that they may make, change and delete, with their groups; `*` shows how much the brokers hold, too. @default none */
  readonly admin?: readonly string[] | undefined
  /** Locks that they may take. @default none */
  readonly lock?: readonly string[] | undefined
}

type Matches = (name: string) => boolean

export interface ResolvedRule {
  readonly principal: Matches
  readonly allowed: Readonly<Record<Action, readonly Matches[]>>
}

const ACTIONS = ['produce', 'consume', 'admin', 'lock'] as const satisfies readonly Action[]

/** Undefined: there are no rules. Throws INVALID_ARGUMENT. */
export function resolveRules(rules: unknown): readonly ResolvedRule[] | undefined {
  if (rules === undefined) return undefined
  if (!Array.isArray(rules)) throw invalid(`'auth.rules' must be a list of rules; it is ${describe(rules)}.`)
  return rules.map((rule: unknown, at) => {
    const where = `auth.rules[${at}]`
    checkOptionNames(where, rule, ['principal', ...ACTIONS])
    const { principal, ...lists } = rule as HttpRule
    const allowed = ACTIONS.map((action) => [action, toList(`${where}.${action}`, lists[action])] as const)
    return {
      principal: toPattern(`${where}.principal`, principal),
      allowed: Object.fromEntries(allowed) as Record<Action, Matches[]>,
    }
  })
}

/** What the rules let a principal do: nothing that none of them names. Without rules everything. */
export function authorizeBy(
  rules: readonly ResolvedRule[] | undefined,
  principal: string,
): Authorize | undefined {
  if (rules === undefined) return undefined
  const own = rules.filter((rule) => rule.principal(principal))
  return (action, name) => {
    if (own.some(({ allowed }) => allowed[action].some((matches) => matches(name)))) return
    throw new PortalError('FORBIDDEN', refusal(principal, action, name))
  }
}

function refusal(principal: string, action: Action, name: string): string {
  const what = name === '*' ? 'the whole broker' : `${action === 'lock' ? 'lock' : 'topic'} ${name}`
  return `${principal} may not ${action === 'admin' ? 'administer' : action === 'produce' ? 'send to' : action === 'lock' ? 'take' : 'consume'} ${what}: no rule with '${action}' allows it.`
}

function toList(where: string, patterns: unknown): Matches[] {
  if (patterns === undefined) return []
  if (!Array.isArray(patterns))
    throw invalid(`'${where}' must be a list of patterns, such as ['temp_*']; it is ${describe(patterns)}.`)
  return patterns.map((pattern, at) => toPattern(`${where}[${at}]`, pattern))
}

function toPattern(where: string, pattern: unknown): Matches {
  if (typeof pattern !== 'string' || pattern === '' || pattern.length > 256) {
    throw invalid(`'${where}' must be a pattern of 1 to 256 characters; it is ${describe(pattern)}.`)
  }
  return compilePattern(pattern)
}

/** Whether a name fits a pattern: in time that grows with the name, whatever the pattern. */
export function compilePattern(pattern: string): Matches {
  const pieces = pattern.split('*')
  if (pieces.length === 1) return (name) => name === pattern
  const first = pieces[0]!
  const last = pieces[pieces.length - 1]!
  const middle = pieces.slice(1, -1)
  return (name) => {
    if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last))
      return false
    const end = name.length - last.length
    let at = first.length
    for (const piece of middle) {
      const found = name.indexOf(piece, at)
      if (found < 0 || found + piece.length > end) return false
      at = found + piece.length
    }
    return true
  }
}
