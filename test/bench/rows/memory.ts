import { execFile } from 'node:child_process'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import type { Row } from '../figure.js'
import { VALUE } from '../support/load.js'
import { packageDirectory } from '../support/package.js'

const run = promisify(execFile)

/**
 * Resident memory, in a process that holds nothing but the package: an idle broker; and one whose consumer stopped reading
 * after its first message while a million, then three, were published.
 */
export const memoryRow: Row = async ({ directory, quick }) => {
  const idle = await rss(`
    const broker = await createBroker({ directory })
    await wait(1_000)
    report()
    await broker.close()`)
  const million = quick ? 300_000 : 1_000_000
  const unread = (count: number) =>
    rss(`
    const broker = await createBroker({ directory })
    const producer = new Producer(broker)
    const consumer = new Consumer(broker, 'topic', { from: 'earliest' })
    await producer.send('topic', value)
    const iterator = consumer[Symbol.asyncIterator]()
    await iterator.next()
    for (let sent = 0; sent < ${count}; sent += 1_000) {
      let last
      for (let i = 0; i < 1_000; i++) last = producer.send('topic', value)
      await last
    }
    await wait(500)
    report()
    process.exit()`)
  const [one, three] = [await unread(million), await unread(3 * million)]
  return [
    { what: 'memory of an idle broker', value: idle, unit: 'MB', goal: { below: 90 } },
    { what: `memory, ${million / 1e6} M unread`, value: one, unit: 'MB' },
    {
      what: `growth, ${million / 1e6} to ${(3 * million) / 1e6} M unread`,
      value: three - one,
      unit: 'MB',
      goal: { below: 50 },
    },
  ]

  async function rss(body: string): Promise<number> {
    const program = `
      const { createBroker, Producer, Consumer } =
        await import(${JSON.stringify(pathToFileURL(resolve(packageDirectory, 'dist/index.js')).href)})
      const directory = ${JSON.stringify(join(directory, `memory-${nextNumber++}`))}
      const value = ${JSON.stringify(VALUE)}
      const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
      const report = () => console.log(process.memoryUsage.rss())
      ${body}`
    // Without the loader that runs this file: it has memory of its own.
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', program])
    return Number(stdout) / 1e6
  }
}

let nextNumber = 0
