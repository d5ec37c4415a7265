import { checkName } from '../../../core/names.js'
import type { AcquireLockRequest, LockName } from '../../../protocol/service.js'
import { json, noContent } from '../exchange.js'
import type { Context, Route } from '../route.js'
import { LOCK_GRANT } from './answer-schemas.js'
import { done } from './done.js'
import { numberOf } from './names.js'
import { answer, JSON_TYPE, NOTHING, POSITIVE, WAIT } from './schemas.js'

const tag = 'Locks'

export const lockRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/locks/{lock}',
    id: 'acquireLock',
    tag,
    summary: 'Takes a lock, or waits for it.',
    description: 'The token rises with every holder: whatever the lock protects refuses lower ones.',
    bodyOptional: true,
    body: {
      [JSON_TYPE]: {
        type: 'object',
        additionalProperties: false,
        properties: {
          ttl: {
            ...POSITIVE,
            description: 'Milliseconds that it lasts from its last renewal. Default: 10,000.',
          },
          wait: WAIT,
          waiter: {
            type: 'string',
            pattern: '^[A-Za-z0-9._-]{1,64}$',
            description:
              'Names the wait, for one longer than a request: asked again within 3 seconds in the same name, it keeps its place in line. With a `wait` of 0 the place is given up. Another one for each wait.',
          },
        },
        examples: [{ ttl: 10_000, wait: 5_000 }],
      },
    },
    answers: {
      200: answer('Its token.', LOCK_GRANT),
      204: { description: 'Somebody else had it to the end of the wait.' },
    },
    async handle(context) {
      const { service, call } = context
      const { ttl = 10_000, wait = 0, waiter } = ((await context.json()) ?? {}) as Partial<AcquireLockRequest>
      const name = nameOf(context)
      const grant = await service.acquireLock({ name, ttl, wait, waiter }, call)
      if (!grant) return noContent()
      const undo = () => void service.releaseLock({ name, token: grant.token }).catch(() => {})
      return { ...json(grant), undo }
    },
  },
  {
    method: 'PUT',
    path: '/locks/{lock}/{token}',
    id: 'renewLock',
    tag,
    summary: 'Lets a lock last its time to live from now.',
    answers: { 204: NOTHING },
    handle: done((context) => context.service.renewLock(heldLock(context), context.call)),
  },
  {
    method: 'DELETE',
    path: '/locks/{lock}/{token}',
    id: 'releaseLock',
    tag,
    summary: 'Gives a lock to the next; also if it was lost before.',
    answers: { 204: NOTHING },
    handle: done((context) => context.service.releaseLock(heldLock(context), context.call)),
  },
]

function nameOf({ params }: Context): string {
  return checkName('lock', params.lock)
}

function heldLock(context: Context): LockName {
  return { name: nameOf(context), token: numberOf(context, 'token') }
}
