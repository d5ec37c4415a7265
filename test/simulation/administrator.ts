import { isPortalError } from '../../src/core/errors.js'
import type { ClientWorld } from './client-world.js'
import type { Call } from './link.js'

/** Moves, pauses, resumes, makes and deletes groups, and looks at them, at random. */
export async function runAdministrator(world: ClientWorld, call: Call, goesOn: () => boolean): Promise<void> {
  const { scheduler } = world
  while (goesOn() && !world.healing) {
    await scheduler.sleep(scheduler.random() * 3_000 * world.pace)
    const { topic, group } = scheduler.pick(world.groups)
    const timeout = 2_000
    try {
      const dice = scheduler.random()
      if (dice < 0.15) await call('seekGroup', { topic, group, to: target() }, timeout)
      else if (dice < 0.3) await call('pauseGroup', { topic, group }, timeout)
      else if (dice < 0.6) await call('resumeGroup', { topic, group }, timeout)
      else if (dice < 0.66 && group.startsWith('passing'))
        await call('deleteGroup', { topic, group }, timeout)
      else if (dice < 0.8) await call('describeGroup', { topic, group }, timeout)
      else await call('explain', { topic, group, partition: 0, offset: scheduler.whole(0, 200) }, timeout)
    } catch (error) {
      if (!isPortalError(error)) throw error
    }
  }

  function target() {
    const offset = scheduler.whole(0, 50)
    return scheduler.pick([
      'earliest',
      'latest',
      { time: 1_735_689_600_000 + scheduler.now / 2 },
      { offset },
    ] as const)
  }
}
