import { pathToFileURL } from 'node:url'
import type * as portalHttp from '../../../src/http.js'
import type * as portal from '../../../src/index.js'
import type * as portalZooKeeper from '../../../src/zookeeper.js'

/** A broker of the build in `dist`: says where it listens, and stops cleanly on SIGTERM. */
const [, , dist = '', directory = '', id = '', coordination = '', port = '0'] = process.argv
const load = (file: string) => import(new URL(file, pathToFileURL(`${dist}/`)).href)
const { createBroker } = (await load('index.js')) as typeof portal
const { http } = (await load('http.js')) as typeof portalHttp
const { zookeeper } = (await load('zookeeper.js')) as typeof portalZooKeeper

const broker = await createBroker({
  directory,
  id,
  transport: http({ port: Number(port) }),
  coordination: zookeeper(coordination, { sessionTimeout: 3_000, connectTimeout: 30_000 }),
})
broker.on('error', (error) => console.log(`error ${error.code} ${error.message}`))
process.once('SIGTERM', () => void broker.close().then(() => process.exit(0)))
console.log(`url ${broker.url}`)
