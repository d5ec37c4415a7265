import type { CoordinationStore } from '../../coordination/coordination.js'
import { paths } from '../../coordination/documents.js'
import { PortalError } from '../../core/errors.js'
import type { Runtime } from '../../runtime/runtime.js'
import { sleepUntil } from '../../runtime/wait.js'
import type { Bell } from '../bell.js'
import type { Hosting } from '../hosting.js'
import type { Catalog } from './catalog.js'

/** How long a broker waits for the controller's first word (ms). */
export const FIRST_WORD = 60_000
/** How long it waits, when it is started, to be told of all topics before it says of some that there are none (ms). */
const TOLD_OF_TOPICS = 10_000

export interface Untold {
  readonly runtime: Runtime
  readonly hosting: Hosting
  readonly catalog: Catalog
  /** Rings when the controller has spoken. */
  readonly heard: Bell
  /** Of the last session. */
  store(): CoordinationStore | undefined
  readonly ending: AbortSignal
}

/**
 * Until the controller has told this broker, which is reached at `url`, of every topic that there is, or that takes too long: others have to be
 * asked until then. TIMEOUT: no controller has spoken at all.
 */
export async function untilTold(untold: Untold, url: string): Promise<void> {
  const { runtime, hosting, ending } = untold
  if (!(await spokenTo(untold))) throw unspokenTo(url)
  const end = runtime.clock.monotonic() + TOLD_OF_TOPICS
  while (runtime.clock.monotonic() < end && !ending.aborted) {
    // Looked up anew each time: some may be deleted meanwhile. Without an answer it is not known which there are, and another session may say.
    const names = await untold
      .store()
      ?.children(paths.topics)
      .catch(() => undefined)
    const areShown = () => names?.every((name) => hosting.findByName(name) !== undefined) ?? false
    if (areShown()) return
    await hosting.until(areShown, TOLD_OF_TOPICS / 20)
  }
}

function spokenTo({ runtime, catalog, heard, ending }: Untold): Promise<true | undefined> {
  return sleepUntil<true>(runtime.timers, 'joining', { timeout: FIRST_WORD, signal: ending }, (resolve) => {
    if (catalog.term >= 0) resolve(true)
    return heard.once(() => resolve(true))
  })
}

function unspokenTo(url: string): PortalError<'TIMEOUT'> {
  return new PortalError(
    'TIMEOUT',
    `No controller of the cluster has spoken to this broker within ${FIRST_WORD / 1_000} seconds: can the other brokers reach ${url}, trust its certificate, and have they the same secret? The log of the controller says which.`,
  )
}
