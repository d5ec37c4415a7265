import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pino from 'pino'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { resolveSettings } from '../../src/cli/serve/settings.js'
import { http } from '../../src/http.js'
import { Admin, Consumer, Producer, Reader } from '../../src/index.js'
import { SERVICE } from '../../src/protocol/connection.js'
import { bundleProgram } from '../support/bundle.js'
import { parsePrometheus } from '../support/prometheus.js'
import { InProcessCluster } from './cluster/in-process.js'
import { openBroker, sendNumbers, temporaryDirectory } from './support/broker.js'

// What docs/operations.md says is what is there.

let page: string
let folder: string
beforeAll(async () => {
  page = await readFile('docs/operations.md', 'utf8')
  folder = await mkdtemp(join(tmpdir(), 'portal-mq-operations-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

function blocks(language: string): string[] {
  return [...page.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(
    (match) => match[1]!,
  )
}

/** The first cells of the rows between a heading and the next, those in backquotes. */
function firstCells(heading: string): string[] {
  const section = page.slice(page.indexOf(`\n## ${heading}\n`) + 1)
  const end = section.indexOf('\n## ', 1)
  return [...section.slice(0, end).matchAll(/^\| `([^`]+)` \|/gm)].map((match) => match[1]!)
}

const NUMBERS = ['port', 'sessionTimeout', 'replicas', 'minInSync', 'replicaLag', 'replicationThrottledRate']

test('the table of settings names every flag of serve, its variable and its place in the file', async () => {
  const program = await bundleProgram('src/cli/main.ts', 'operations')
  const { stdout } = await promisify(execFile)(process.execPath, [program, 'serve', '--help'])
  const flags = [...stdout.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map((match) => match[1]!)
  expect(firstCells('Settings').sort()).toEqual(
    flags.filter((flag) => flag !== '--config' && flag !== '--help').sort(),
  )
  for (const flag of firstCells('Settings')) {
    const variable = `PORTAL_MQ${flag.slice(1).replaceAll('-', '_').toUpperCase()}`
    const name = flag.slice(2).replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase())
    expect(page).toContain(`| \`${flag}\` | \`${variable}\` | \`${name}\` |`)
    const text = NUMBERS.includes(name)
      ? '7'
      : name === 'insecure'
        ? 'true'
        : name === 'logLevel'
          ? 'warn'
          : 'text'
    const value = (environment: Record<string, string>) => resolveSettings({}, environment)[name as 'host']
    expect(String(value({ [variable]: text }))).toBe(text)
  }
})

test('the configuration file is one that serve takes', async () => {
  const config = join(folder, 'config.json')
  await writeFile(config, blocks('json')[0]!)
  expect(resolveSettings({ config }, {})).toMatchObject({
    port: 5000,
    host: '0.0.0.0',
    directory: '/var/lib/portal-mq',
    rules: [{ principal: 'sensors' }, { principal: 'controllers' }, { principal: 'admin' }],
    limits: { connections: 5000 },
  })
})

test('the table of metrics names all that there are, and no others', async () => {
  const broker = await openBroker({ transport: http({ port: 0 }) })
  await new Producer(broker).send('orders', 1)
  const families = parsePrometheus(await (await fetch(`${broker.url}/metrics`)).text())
  const names = firstCells('Metrics')
  const from = names.indexOf('portal_mq_cluster_controller')
  const to = names.indexOf('portal_mq_hand_overs_total') + 1
  expect(names.toSpliced(from, to - from)).toEqual([...families.keys()])
  const cluster = await InProcessCluster.open(['a', 'b', 'c'])
  const inCluster = await cluster.brokers.get('a')![SERVICE].metrics()
  const told = names.slice(from, to)
  expect(inCluster.map(({ name }) => name).filter((name) => told.includes(name))).toEqual(told)
})

test('the examples in JavaScript run as printed', async () => {
  await mkdir('node_modules/.cache/portal-mq', { recursive: true })
  const examples = blocks('js')
  expect(examples).toHaveLength(3)
  for (const [at, example] of examples.entries()) {
    const source = `node_modules/.cache/portal-mq/operations-example-${at}.ts`
    const local = example
      .replace("'portal-mq'", JSON.stringify(join(process.cwd(), 'src/index.ts')))
      .replace("'portal-mq/opentelemetry'", JSON.stringify(join(process.cwd(), 'src/opentelemetry.ts')))
    await writeFile(source, local)
    const program = await bundleProgram(source, `operations-${at}`)
    expect(await promisify(execFile)(process.execPath, [program])).toEqual({ stdout: '', stderr: '' })
  }
})

test('the unit and the Dockerfile start the program that the package has', async () => {
  const { bin } = JSON.parse(await readFile('package.json', 'utf8')) as { bin: Record<string, string> }
  const [unit] = blocks('ini')
  for (const line of unit!.split('\n').filter((line) => line !== ''))
    expect(line).toMatch(/^(\[(Unit|Service|Install)\]|[A-Z][A-Za-z]+=.+)$/)
  expect(unit).toContain(`/node_modules/portal-mq/${bin['portal-mq']} serve --config `)
  const [dockerfile] = blocks('dockerfile')
  for (const line of dockerfile!.trim().split('\n'))
    expect(line).toMatch(/^(#|(FROM|WORKDIR|RUN|USER|VOLUME|EXPOSE|ENV|CMD|HEALTHCHECK) )/)
  const command = /^CMD (\[.*\])$/m.exec(dockerfile!)![1]!
  expect(JSON.parse(command)).toEqual(['node', `node_modules/portal-mq/${bin['portal-mq']}`, 'serve'])
})

test('a backup that is made while the broker runs opens as it was', async () => {
  const directory = await temporaryDirectory()
  const broker = await openBroker({ directory: join(directory, 'data') })
  await sendNumbers(broker, 'orders', 1_000)
  await mkdir(join(directory, 'backup'))
  const line = /^node -e "(.*)"$/m.exec(page)![1]!.replaceAll('\\"', '"')
  const require = `require(${JSON.stringify(join(process.cwd(), 'node_modules/better-sqlite3'))})`
  await promisify(execFile)(process.execPath, ['-e', line.replace("require('better-sqlite3')", require)], {
    cwd: directory,
  })
  await sendNumbers(broker, 'orders', 1_500, 1_000)
  const copy = await openBroker({ directory: join(directory, 'backup') })
  const stored: unknown[] = []
  for await (const { value } of new Reader(copy, 'orders')) stored.push(value)
  expect(stored).toEqual(Array.from({ length: 1_000 }, (_, at) => at))
  expect(await new Producer(copy).send('orders', 'more')).toMatchObject({ offset: 1_000 })
})

test('pino serves as the logger', async () => {
  const lines: string[] = []
  const logger = pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) })
  const broker = await openBroker({ logger, transport: http({ port: 0, logger }) })
  await new Producer(broker).send('orders', 1)
  const consumer = new Consumer(broker, 'orders', { maxDeliveries: 1 })
  onTestFinished(() => consumer.close())
  const running = consumer.run(() => {
    throw new Error('on purpose')
  })
  await expect
    .poll(async () => (await new Admin(broker).describeGroup('orders', 'default')).partitions[0])
    .toMatchObject({ deadLettered: 1 })
  await consumer.close()
  await running
  expect(JSON.parse(lines[0]!)).toMatchObject({
    level: 40,
    topic: 'orders',
    offset: 0,
    err: { message: 'on purpose' },
    msg: expect.stringContaining('on purpose'),
  })
})
