import { Consumer, createBroker, PortalError, Producer } from 'portal-mq'
import { connect, createHandler, http } from 'portal-mq/http'

const broker = await createBroker({ directory: process.argv[2], transport: http({ port: 0 }) })
const remote = connect(broker.url)
try {
  await new Producer(remote).send('temp_1', { celsius: 21.4 })
  const message = await new Consumer(remote, 'temp_1').receive({ timeout: 10_000 })
  await message.ack()
  console.log(`delivered ${JSON.stringify(message.value)}`)

  const refused = await new Producer(remote).send('temp_1', 1, { partition: 7 }).catch((error) => error)
  if (!(refused instanceof PortalError)) throw refused
  const response = await createHandler(broker)(new Request('http://here/topics'))
  if (!response.ok) throw new Error(await response.text())
} finally {
  await remote.close()
  await broker.close()
}
