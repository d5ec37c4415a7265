import { createBroker, Producer } from 'portal-mq'

const broker = await createBroker({ directory: process.argv[2] })
try {
  await new Producer(broker).send('temp_1', { celsius: 21.4 })
} finally {
  await broker.close()
}
