import { Consumer, createBroker, Producer } from 'portal-mq'

interface Reading {
  readonly celsius: number
}

async function main(): Promise<void> {
  const broker = await createBroker({ directory: ':memory:' })
  try {
    await new Producer(broker).send<Reading>('temp_1', { celsius: 21.4 })
    const message = await new Consumer<Reading>(broker, 'temp_1').receive()
    console.log(`delivered ${JSON.stringify(message.value satisfies Reading)}`)
    await message.ack()
  } finally {
    await broker.close()
  }
}

void main()
