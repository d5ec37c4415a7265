// A broker of its own, which programs on this machine and others reach over HTTP: what `npx portal-mq serve` does, in your hands.
//   PORT        0 for any that is free
//   DIRECTORY   where messages are kept
//   TOKEN       at least 16 characters, which callers send as `Authorization: Bearer …`; without one, all of this machine may come in
import { createBroker } from 'portal-mq'
import { http } from 'portal-mq/http'

const { PORT = '5000', DIRECTORY = './data', TOKEN } = process.env

const broker = await createBroker({
  directory: DIRECTORY,
  // It listens to this machine only. Listening elsewhere takes `host`, and both `auth` and `tls`.
  transport: http({
    port: Number(PORT),
    auth: TOKEN ? { tokens: [{ token: TOKEN, principal: 'caller' }] } : undefined,
  }),
})
console.log(`portal-mq listens at ${broker.url}, and keeps messages in ${DIRECTORY}`)

broker.on('discarded', ({ topic, group, offset, reason }) => {
  console.warn(`message ${offset} of ${topic} is lost to ${group}: ${reason}`)
})

// Calls under way are finished, then it stops; nothing else keeps the process alive. A second signal ends it at once.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => broker.close())
