import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { connect as connectSocket } from 'node:net'
import { join } from 'node:path'
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { connect } from '../../src/http.js'
import { Consumer, createBroker, Producer, Reader, type RemoteConnection } from '../../src/index.js'
import { bundleProgram } from '../support/bundle.js'
import { needProgram } from './storage/process.js'
import { temporaryDirectory } from './support/broker.js'
import { type Served, startServe } from './support/serve.js'

let program: string
beforeAll(async () => {
  program = await bundleProgram('src/cli/main.ts', 'serve')
})

const quiet = { debug() {}, info() {}, warn() {}, error() {} }

function connectTo(url: string): RemoteConnection {
  const remote = connect(url, { logger: quiet })
  onTestFinished(() => remote.close())
  return remote
}

/** Runs `serve` where it cannot even begin. */
async function failing(args: readonly string[]): Promise<{ code: unknown; out: string; err: string }> {
  const child = spawn(process.execPath, [program, 'serve', ...args], { stdio: 'pipe' })
  let [out, err] = ['', '']
  child.stdout.on('data', (chunk) => {
    out += String(chunk)
  })
  child.stderr.on('data', (chunk) => {
    err += String(chunk)
  })
  const [code] = await once(child, 'close')
  return { code, out, err }
}

describe('serving', () => {
  test('says in one line where it listens, serves, and ends with 0 at SIGTERM; its log is JSON', async () => {
    const directory = await temporaryDirectory()
    const served = await startServe(program, ['--directory', directory, '--log-level', 'debug'])
    const remote = connectTo(served.url)
    expect(await new Producer(remote).send('orders', { id: 1 })).toMatchObject({ offset: 0 })
    const health = await fetch(`${served.url}/readyz`, { headers: { 'x-request-id': 'probe-7' } })
    expect([health.status, health.headers.get('x-request-id')]).toEqual([200, 'probe-7'])
    await remote.close()
    served.kill('SIGTERM')
    expect(await served.ended).toBe(0)
    for (const line of served.log)
      expect(line).toMatchObject({
        time: expect.any(String),
        level: expect.any(String),
        message: expect.any(String),
      })
    expect(served.log[0]).toMatchObject({ level: 'info', message: 'Listening.', url: served.url, directory })
    expect(served.log).toContainEqual(
      expect.objectContaining({ level: 'debug', requestId: 'probe-7', path: '/readyz', status: 200 }),
    )
    expect(served.log.at(-1)).toMatchObject({ level: 'info', message: 'Stopped.' })
  })

  test('takes its settings from the environment', async () => {
    const directory = await temporaryDirectory()
    const served = await startServe(program, [], {
      env: {
        PORTAL_MQ_DIRECTORY: directory,
        PORTAL_MQ_LOG_LEVEL: 'silent',
        PORTAL_MQ_ADVERTISE: 'http://mq.test',
      },
    })
    expect(served.url).toBe('http://mq.test')
    served.kill('SIGINT')
    expect(await served.ended).toBe(0)
    expect(served.log).toEqual([])
  })

  test('what cannot begin is one line and exit code 1', async () => {
    const directory = await temporaryDirectory()
    const served = await startServe(program, ['--directory', directory])
    const { port } = new URL(served.url)
    const other = await temporaryDirectory()
    for (const [args, message] of [
      [['--directory', other, '--port', port], 'another process listens there'],
      [['--directory', directory, '--port', '0'], '[DIRECTORY_IN_USE]'],
      [['--directory', other, '--host', '0.0.0.0'], 'lets others in'],
      [['--port', 'x'], '--port must be'],
      [['--token-file', join(other, 'none')], 'cannot be read'],
    ] as const) {
      const { code, out, err } = await failing(args)
      expect({ code, out }).toEqual({ code: 1, out: '' })
      expect(err).toMatch(/^portal-mq: .*\n$/)
      expect(err).toContain(message)
    }
  })

  test('tokens of a file let their principals in, and stand in no log', async () => {
    const directory = await temporaryDirectory()
    const token = 'a-token-of-the-sensors'
    const tokenFile = join(directory, 'tokens')
    await writeFile(tokenFile, `${token} sensors\n`)
    const data = ['--directory', join(directory, 'data')]
    const served = await startServe(program, [...data, '--token-file', tokenFile, '--log-level', 'debug'])
    const remote = connect(served.url, { logger: quiet, token })
    onTestFinished(() => remote.close())
    await new Producer(remote).send('orders', 1)
    for (const [path, status] of [
      ['/readyz', 200],
      ['/metrics', 401],
    ] as const)
      expect((await fetch(served.url + path)).status).toBe(status)
    await remote.close()
    served.kill('SIGTERM')
    expect(await served.ended).toBe(0)
    expect(served.log).toContainEqual(expect.objectContaining({ path: '/messages', principal: 'sensors' }))
    expect(JSON.stringify(served.log)).not.toContain(token)
  })

  test('a second signal ends it at once, while the first one waits for an answer under way', async () => {
    const served = await startServe(program, ['--directory', await temporaryDirectory()])
    const { hostname, port } = new URL(served.url)
    // A request whose body never ends: closing has to wait for it.
    const socket = connectSocket(Number(port), hostname)
    socket.on('error', () => {})
    onTestFinished(() => void socket.destroy())
    socket.write(
      'POST /topics/t/messages HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: text/plain\r\ncontent-length: 9\r\n\r\nabc',
    )
    await expect
      .poll(async () => (await fetch(`${served.url}/metrics`)).text())
      .toContain('portal_mq_http_requests_under_way 2')
    served.kill('SIGTERM')
    await expect.poll(() => served.log.at(-1)?.['signal']).toBe('SIGTERM')
    served.kill('SIGTERM')
    expect(await served.ended).toBe(143)
    expect(served.log.at(-1)).toMatchObject({ level: 'warn', signal: 'SIGTERM' })
  })

  test('a disk that fails ends it with 1, and the log says why', async () => {
    needProgram('strace', 'apt-get install strace, or: dnf install strace')
    const directory = await temporaryDirectory()
    await (await createBroker({ directory })).close()
    const inject = ['-e', 'trace=fsync,fdatasync', '-e', 'inject=fsync,fdatasync:error=EIO:when=20+']
    const under = ['strace', '-f', '--seccomp-bpf', '-e', 'signal=none', '-o', '/dev/null', ...inject]
    const served = await startServe(program, ['--directory', directory], { under })
    const producer = new Producer(connectTo(served.url), { deliveryTimeout: 2_000 })
    const sending = (async () => {
      for (let at = 0; ; at++) await producer.send('t', at)
    })()
    await expect(sending).rejects.toThrow()
    expect(await served.ended).toBe(1)
    expect(served.log.at(-1)).toMatchObject({ level: 'error', code: 'STORAGE_FAILED' })
  })
})

describe('stopping under load', () => {
  test.each(['SIGTERM', 'SIGKILL'] as const)(
    'after %s and a start, producers and consumers go on by themselves: nothing is lost or stored twice',
    async (signal) => {
      const directory = await temporaryDirectory()
      let served: Served = await startServe(program, ['--directory', directory])
      const { port } = new URL(served.url)
      const remote = connectTo(served.url)
      const producer = new Producer(remote)
      const consumer = new Consumer<number>(remote, 't', { group: 'g', lease: 1_000 })
      const acknowledged = new Set<number>()
      const handled = new Set<number>()
      const running = consumer.run(({ value }) => void handled.add(value), { concurrency: 50 })
      let next = 0
      let stop = false
      const sending = Array.from({ length: 20 }, async () => {
        while (!stop) {
          const value = next++
          await producer.send('t', value)
          acknowledged.add(value)
        }
      })
      for (let round = 0; round < 2; round++) {
        const before = acknowledged.size
        await vi.waitFor(() => expect(acknowledged.size).toBeGreaterThan(before + 500), { timeout: 30_000 })
        served.kill(signal)
        expect(await served.ended).toBe(signal === 'SIGTERM' ? 0 : signal)
        served = await startServe(program, ['--directory', directory, '--port', port])
      }
      const before = acknowledged.size
      await vi.waitFor(() => expect(acknowledged.size).toBeGreaterThan(before + 500), { timeout: 30_000 })
      stop = true
      await Promise.all(sending)
      await vi.waitFor(() => expect(handled.size).toBe(acknowledged.size), { timeout: 30_000 })
      await consumer.close()
      await running
      const stored: number[] = []
      for await (const { value } of new Reader(remote, 't', { from: 'earliest' }))
        stored.push(value as number)
      expect(stored.length).toBe(new Set(stored).size)
      expect(new Set(stored)).toEqual(acknowledged)
    },
  )
})
