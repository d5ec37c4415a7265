const { Consumer, createBroker, Producer } = require('portal-mq')
const { connect, http } = require('portal-mq/http')

async function main() {
  const broker = await createBroker({ directory: process.argv[2], transport: http({ port: 0 }) })
  const remote = connect(broker.url)
  await new Producer(remote).send('temp_1', { celsius: 21.4 })
  const message = await new Consumer(remote, 'temp_1').receive({ timeout: 10_000 })
  await message.ack()
  console.log(`delivered ${JSON.stringify(message.value)}`)
  await remote.close()
  await broker.close()
}

main()
