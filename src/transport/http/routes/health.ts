import { type ErrorCode, isPortalError, PortalError } from '../../../core/errors.js'
import { json } from '../exchange.js'
import { toProblem } from '../problem.js'
import type { Context, Route } from '../route.js'
import { answer, record } from './schemas.js'

const tag = 'Operations'
/** Between us and whoever asks nobody may keep an answer. */
const FRESH = { 'cache-control': 'no-store' }

const STATUS = record({ status: { enum: ['ok', 'ready'] } })

/** Open to everybody, so they say no more than a code. */
const REASONS: Partial<Record<ErrorCode, string>> = {
  CLOSED: 'The broker is closing.',
  STORAGE_FULL: 'The disk is nearly full: no new messages are taken.',
}

export const healthRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/healthz',
    id: 'health',
    tag,
    summary: 'Whether the process serves. It needs no token.',
    open: true,
    answers: { 200: answer('It does.', STATUS) },
    handle: async () => json({ status: 'ok' }, 200, FRESH),
  },
  {
    method: 'GET',
    path: '/readyz',
    id: 'checkReady',
    tag,
    summary:
      'Whether messages can be stored now: not while the broker closes, has failed or has no disk space. It needs no token.',
    open: true,
    answers: { 200: answer('They can.', STATUS) },
    handle: checkReady,
  },
]

async function checkReady({ service, call }: Context) {
  try {
    await service.checkReady(call)
    return json({ status: 'ready' }, 200, FRESH)
  } catch (error) {
    const code = isPortalError(error) ? error.code : 'STORAGE_FAILED'
    const reason = REASONS[code] ?? 'The broker has failed; its log says more.'
    return toProblem(new PortalError(code, reason), { status: 503, headers: FRESH })
  }
}
