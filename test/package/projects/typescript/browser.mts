import { type Connection, Consumer, isPortalError, Producer } from 'portal-mq/client'
import type * as testing from 'portal-mq/testing'

export type Testing = typeof testing

export async function relay(connection: Connection): Promise<void> {
  const producer = new Producer(connection)
  for await (const message of new Consumer<string>(connection, 'from')) {
    try {
      await producer.send('to', message.value)
      await message.ack()
    } catch (error) {
      if (isPortalError(error, 'CLOSED')) return
      throw error
    }
  }
}
