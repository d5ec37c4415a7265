import { describe, invalid } from './options.js'

const NAME = /^[A-Za-z0-9._-]{1,249}$/

/** The name, if it can name a topic: 1 to 249 of A-Z a-z 0-9 . _ -, and not . or .. Throws INVALID_ARGUMENT otherwise. */
export function checkTopicName(name: unknown): string {
  return checkName('topic', name)
}

/** The name, if it can name a group. The rule is that of topics. */
export function checkGroupName(name: unknown): string {
  return checkName('group', name)
}

/** The name, if it can name a thing of this `kind`, else INVALID_ARGUMENT: it may become a path without a second check. */
export function checkName(kind: string, name: unknown): string {
  if (typeof name === 'string' && NAME.test(name) && name !== '.' && name !== '..') return name
  throw invalid(
    `A ${kind} name ${describe(name)} is not possible: use 1 to 249 of A-Z, a-z, 0-9, '.', '_' and '-', and not '.' or '..'.`,
  )
}
