// The broker that sensors and controllers meet at:  broker.ts [directory]
import { createBroker } from 'portal-mq'
import { http } from 'portal-mq/http'

const [directory = './data/iot'] = process.argv.slice(2)
const broker = await createBroker({
  directory,
  transport: http({ port: Number(process.env['PORT'] ?? 5000) }),
})
console.log(`broker: at ${broker.url}`)

// Whoever started it with a channel (main.ts) hears of it, too.
process.send?.({ url: broker.url })
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => broker.close())
