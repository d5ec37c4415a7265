import { connect } from '../../../src/http.js'
import { Lock } from '../../../src/index.js'

/**
 * Holds a lock and writes with its token for as long as it believes that it holds it; the parent is the store, and stops this process now and then.
 *
 *     write TOKEN     one write
 *     lost TOKEN      it has learnt that the lock is lost
 */
const urls = JSON.parse(process.argv[2]!) as string[]
const remote = connect(urls, { timeout: 3_000 })
const held = await new Lock(remote, 'paused', { ttl: 2_000 }).acquire()
const timer = setInterval(() => {
  if (held.signal.aborted) {
    clearInterval(timer)
    console.log(`lost ${held.token}`)
    void remote.close()
  } else console.log(`write ${held.token}`)
}, 20)
