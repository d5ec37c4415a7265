import { join } from 'node:path'
import { Admin, type Broker, createBroker, Producer, type ProducerType } from './package.js'

export interface Bench {
  readonly broker: Broker
  readonly producer: ProducerType
  readonly admin: InstanceType<typeof Admin>
  close(): Promise<void>
}

/** A broker in a directory of its own, and what most rows need of it. */
export async function openBench(directory: string, name = 'data'): Promise<Bench> {
  const broker = await createBroker({ directory: join(directory, name) })
  const producer = new Producer(broker)
  return {
    broker,
    producer,
    admin: new Admin(broker),
    async close() {
      await producer.close()
      await broker.close()
    },
  }
}
