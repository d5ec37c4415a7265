import { readFileSync } from 'node:fs'
import { PortalError } from '../../index.js'

export interface Token {
  readonly token: string
  /** Who has it. */
  readonly principal: string
}

/** Whose token it is that stands alone. */
const NAMELESS = 'default'

/**
 * The tokens of a file: on each line a token, and its principal after a space; `#` begins a comment. Throws INVALID_ARGUMENT, naming the line and
 * never its token.
 */
export function readTokenFile(path: string): readonly Token[] {
  const tokens = readText(path)
    .split('\n')
    .map((line, at) => readLine(line.trim(), path, at + 1))
    .filter((token) => token !== undefined)
  if (tokens.length > 0) return tokens
  throw new PortalError('INVALID_ARGUMENT', `The token file ${path} holds no token: write one on a line.`)
}

function readLine(line: string, path: string, number: number): Token | undefined {
  if (line === '' || line.startsWith('#')) return undefined
  const [token, principal = NAMELESS, ...rest] = line.split(/\s+/)
  if (rest.length === 0 && token !== undefined) return { token, principal }
  throw new PortalError(
    'INVALID_ARGUMENT',
    `Line ${number} of the token file ${path} must be a token, or a token and its principal, without other spaces.`,
  )
}

/**
 * The secrets of a cluster in a file, one on a line; `#` begins a comment. The first is shown to other brokers, all are taken. Throws
 * INVALID_ARGUMENT, naming the file and never a secret.
 */
export function readSecretFile(path: string): readonly string[] {
  const secrets = readLines(path)
  if (secrets.length > 0) return secrets
  throw new PortalError(
    'INVALID_ARGUMENT',
    `The cluster's secret file ${path} holds no secret: \`openssl rand -hex 32 > ${path}\` makes one, for all brokers.`,
  )
}

/** The lines of a file that say something: not the empty ones, nor those that begin with `#`. Throws INVALID_ARGUMENT, naming it. */
export function readLines(path: string): readonly string[] {
  const lines = readText(path)
    .split('\n')
    .map((line) => line.trim())
  return lines.filter((line) => line !== '' && !line.startsWith('#'))
}

/** A file as text. Throws INVALID_ARGUMENT, naming it. */
export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new PortalError('INVALID_ARGUMENT', `${path} cannot be read: ${why}.`, { cause })
  }
}
