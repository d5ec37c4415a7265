import { Consumer, createBroker, isPortalError, PortalError, Producer } from 'portal-mq'
import * as client from 'portal-mq/client'
import * as testing from 'portal-mq/testing'

const broker = await createBroker({ directory: process.argv[2] })
try {
  await new Producer(broker).send('temp_1', { celsius: 21.4 })
  const message = await new Consumer(broker, 'temp_1').receive({ timeout: 10_000 })
  await message.ack()
  console.log(`delivered ${JSON.stringify(message.value)}`)

  if (client.PortalError !== PortalError) throw new Error('Each entry point has a PortalError of its own.')
  if (Object.keys(testing).length === 0) throw new Error('portal-mq/testing is empty.')
  // The worker is a second copy of the package: errors cross that border too.
  const failure = await createBroker({ directory: process.argv[2] }).catch((error) => error)
  if (!(failure instanceof PortalError) || !isPortalError(failure, 'DIRECTORY_IN_USE')) throw failure
} finally {
  await broker.close()
}
