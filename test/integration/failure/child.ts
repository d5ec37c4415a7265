import { writeSync } from 'node:fs'
import { Consumer, createBroker, isPortalError, Lock, Producer } from '../../../src/index.js'

/**
 * Sends and consumes until its disk fails, which strace sees to; says what happens then, line by line, and must end by itself.
 *
 *     sent N       acknowledged
 *     error CODE   the broker's event
 *     close CODE   the broker's event
 *     NAME CODE    what became of a call that waited or came afterwards
 */
const [directory = ''] = process.argv.slice(2)
const say = (line: string): void => void writeSync(1, `${line}\n`)
const codeOf = (error: unknown) => (isPortalError(error) ? error.code : String(error))
const tell = (name: string, promise: Promise<unknown>) =>
  promise.then(
    () => say(`${name} resolved`),
    (error: unknown) => say(`${name} ${codeOf(error)}`),
  )

const broker = await createBroker({ directory })
broker.on('error', (error) => say(`error ${error.code}`))
const closed = new Promise<void>((resolve) =>
  broker.on('close', ({ error }) => {
    say(`close ${error?.code}`)
    resolve()
  }),
)
const producer = new Producer(broker)
const waits: Promise<void>[] = []
const held = await new Lock(broker, 'l').acquire()
held.signal.addEventListener('abort', () => say(`lock ${codeOf(held.signal.reason)}`))
waits.push(tell('receive', new Consumer(broker, 'missing').receive()))
waits.push(
  tell(
    'run',
    new Consumer(broker, 'missing').run(() => {}),
  ),
)
waits.push(tell('acquire', new Lock(broker, 'l').acquire()))
try {
  for (let at = 0; ; at++) {
    await producer.send('t', at)
    say(`sent ${at}`)
  }
} catch (error) {
  say(`send ${codeOf(error)}`)
}
await closed
await Promise.all(waits)
await tell('afterwards', producer.send('t', 'never'))
await tell('broker.close()', broker.close())
