import { writeSync } from 'node:fs'
import { isPortalError } from '../../../src/core/errors.js'
import { openSqliteStorage } from '../../../src/storage/sqlite/sqlite.js'
import { append, type Line, logEntry } from './workload.js'

/**
 * A process with a storage, for tests that kill it or break its disk. Each line of its output is one fact, written
 * synchronously after it has become true.
 *
 *   child.mjs <directory> hold | fill <commits, 0 = for ever>
 */
const [directory = '', mode = '', limit = '0'] = process.argv.slice(2)

function say(line: Line): void {
  writeSync(1, `${JSON.stringify(line)}\n`)
}

const storage = await openSqliteStorage({ directory })
storage.onFailure((error) => say({ failure: error.code }))
say({ opened: process.pid, wasClean: storage.wasClean })

// A promise that never settles keeps nothing alive; the timer does.
if (mode === 'hold') await new Promise(() => setInterval(() => undefined, 60_000))
await fill()
await storage.close()
say({ closed: true })

/** Commits of one to three entries, two under way at a time, with a snapshot now and then. */
async function fill(): Promise<void> {
  let failed = false
  const underWay: Promise<void>[] = []
  for (let index = 0; !failed && (limit === '0' || index < Number(limit)); index++) {
    const commit = storage.commit(append(index), { durable: true }).then(
      () => say({ acknowledged: logEntry(index).index }),
      (error) => {
        failed = true
        say({ refused: isPortalError(error) ? error.code : String(error) })
      },
    )
    underWay.push(commit)
    if (underWay.length > 1) await underWay.shift()
  }
  await Promise.all(underWay)
}
