const { Consumer, createBroker } = require('portal-mq')

async function main() {
  const broker = await createBroker({ directory: process.argv[2] })
  try {
    const message = await new Consumer(broker, 'temp_1').receive({ timeout: 10_000 })
    console.log(`delivered ${JSON.stringify(message.value)}`)
    await message.ack()
  } finally {
    await broker.close()
  }
}

main()
