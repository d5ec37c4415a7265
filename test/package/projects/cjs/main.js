const { Consumer, createBroker, isPortalError, PortalError, Producer } = require('portal-mq')
const client = require('portal-mq/client')
const testing = require('portal-mq/testing')

async function main() {
  const broker = await createBroker({ directory: process.argv[2] })
  try {
    await new Producer(broker).send('temp_1', { celsius: 21.4 })
    const message = await new Consumer(broker, 'temp_1').receive({ timeout: 10_000 })
    await message.ack()
    console.log(`delivered ${JSON.stringify(message.value)}`)

    if (client.PortalError !== PortalError) throw new Error('Each entry point has a PortalError of its own.')
    if (Object.keys(testing).length === 0) throw new Error('portal-mq/testing is empty.')
    // A process may load both builds: an error of one is known to the other by its brand.
    const esm = await import('portal-mq')
    const failure = await esm.createBroker({ directory: process.argv[2] }).catch((error) => error)
    if (!isPortalError(failure, 'DIRECTORY_IN_USE')) throw failure
  } finally {
    await broker.close()
  }
}

main()
