import { PortalError } from '../core/errors.js'
import { checkName } from '../core/names.js'
import type { AskedGroupSettings, BackoffSettings, GroupPatch, GroupSettings } from '../protocol/groups.js'
import { defined } from './topic-config.js'

const BACKOFF: BackoffSettings = { initial: 1_000, max: 60_000, factor: 2, jitter: 0.2 }

/** A group's settings from what its first consumer asked for and the defaults. Throws INVALID_ARGUMENT. */
export function resolveGroupSettings(topic: string, asked: AskedGroupSettings): GroupSettings {
  return checkSettings(topic, {
    order: asked.order ?? 'none',
    maxDeliveries: asked.maxDeliveries ?? 5,
    backoff: { ...BACKOFF, ...defined(asked.backoff) },
    deadLetter: asked.deadLetter ?? `${topic}.dead`,
  })
}

export function patchGroupSettings(topic: string, settings: GroupSettings, patch: GroupPatch): GroupSettings {
  return checkSettings(topic, {
    order: settings.order,
    maxDeliveries: patch.maxDeliveries === undefined ? settings.maxDeliveries : patch.maxDeliveries,
    backoff: { ...settings.backoff, ...defined(patch.backoff) },
    deadLetter: patch.deadLetter === undefined ? settings.deadLetter : patch.deadLetter,
  })
}

/** Throws GROUP_CONFLICT when what a consumer asks for is not what its group has. */
export function checkAgreement(group: string, settings: GroupSettings, asked: AskedGroupSettings): void {
  for (const [name, wanted] of Object.entries(defined(asked))) {
    const inForce = settings[name as keyof GroupSettings]
    if (agrees(inForce, wanted)) continue
    throw new PortalError(
      'GROUP_CONFLICT',
      `Group ${group} has ${name} ${JSON.stringify(inForce)}, this consumer asks for ${JSON.stringify(wanted)}. Leave it out, or change it with admin.updateGroup.`,
    )
  }
}

function agrees(inForce: unknown, wanted: unknown): boolean {
  if (typeof wanted !== 'object' || wanted === null) return inForce === wanted
  return Object.entries(defined(wanted)).every(
    ([name, value]) => (inForce as Record<string, unknown>)[name] === value,
  )
}

function checkSettings(topic: string, settings: GroupSettings): GroupSettings {
  const { maxDeliveries, backoff, deadLetter, order } = settings
  if ((order as string) !== 'none') {
    throw new PortalError(
      'UNSUPPORTED',
      `order ${JSON.stringify(order)} is not available in this version: use 'none'.`,
    )
  }
  check(
    Number.isInteger(maxDeliveries) && maxDeliveries >= 1 && maxDeliveries <= 1_000,
    'maxDeliveries',
    '1 to 1,000',
  )
  check(isAtLeast(backoff.initial, 0), 'backoff.initial', 'milliseconds, at least 0')
  check(isAtLeast(backoff.max, backoff.initial), 'backoff.max', 'milliseconds, at least backoff.initial')
  check(isAtLeast(backoff.factor, 1), 'backoff.factor', 'a number of at least 1')
  check(isAtLeast(backoff.jitter, 0) && backoff.jitter <= 1, 'backoff.jitter', 'a number from 0 to 1')
  if (deadLetter !== false) {
    checkName('dead-letter topic', deadLetter)
    check(deadLetter !== topic, 'deadLetter', 'another topic than the one consumed')
  }
  return settings
}

function isAtLeast(value: unknown, least: number): boolean {
  return typeof value === 'number' && Number.isFinite(value) && value >= least
}

function check(holds: boolean, name: string, what: string): void {
  if (!holds) throw new PortalError('INVALID_ARGUMENT', `${name} must be ${what}.`)
}
