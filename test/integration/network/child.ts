import { createBroker } from '../../../src/index.js'
import { http } from '../../../src/transport/http/http.js'

/** A broker in a process of its own, to be killed. Says `listening URL`. */
const [directory = '', port = '0'] = process.argv.slice(2)

const broker = await createBroker({ directory, transport: http({ port: Number(port) }) })
console.log(`listening ${broker.url}`)
