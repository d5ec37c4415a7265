import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { connect } from '../../src/http.js'
import { Admin, Consumer, Producer } from '../../src/index.js'
import { temporaryDirectory } from '../integration/support/broker.js'
import { startServe } from '../integration/support/serve.js'
import { bundleProgram } from '../support/bundle.js'
import { describeCluster, sharedServer } from './support/servers.js'

const SOON = { timeout: 60_000, interval: 200 }
const quiet = { debug() {}, info() {}, warn() {}, error() {} }
const run = promisify(execFile)

describeCluster('serve --zookeeper', () => {
  test('three commands make a cluster, which `cluster` shows and changes', async () => {
    const program = await bundleProgram('src/cli/main.ts', 'cluster')
    const root = await temporaryDirectory()
    const zookeeper = `${await sharedServer()}/serve-${randomUUID()}`
    const start = (name: string) =>
      startServe(program, [
        ...['--directory', join(root, name), '--zookeeper', zookeeper, '--rack', name],
        ...['--session-timeout', '2000', '--replica-lag', '2000'],
      ])
    const served = await Promise.all(['a', 'b', 'c'].map(start))
    const urls = served.map(({ url }) => url)
    const cluster = async (...args: string[]) => {
      const command = [program, 'cluster', ...args, '--url', urls.join(',')]
      const { stdout } = await run(process.execPath, command)
      return stdout
    }
    const remote = connect(urls, { logger: quiet })
    onTestFinished(() => remote.close())
    const admin = new Admin(remote)
    await admin.createTopic('orders', { partitions: 3 })
    await new Producer(remote).send('orders', 1)

    const create = [program, 'topic', 'create', 'two', '--replicas', '2', '--min-in-sync', '1', '--json']
    const made = await run(process.execPath, [...create, '--url', urls.join(',')])
    expect(JSON.parse(made.stdout).config).toMatchObject({ replicas: 2, minInSync: 1 })
    await admin.deleteTopic('two')

    const picture = JSON.parse(await cluster('--json'))
    expect(picture.brokers.map(({ url }: { url: string }) => url).sort()).toEqual([...urls].sort())
    expect(picture.placement).toHaveLength(3)
    const table = await cluster()
    expect(table).toMatch(/alive, controller/)
    expect(table).toMatch(/orders {2}2 .* 3\/3 /)
    for (const line of table.split('\n')) expect(line.length).toBeLessThanOrEqual(100)

    // One dies for good, another takes its place.
    served[2]!.kill('SIGKILL')
    const dead = picture.brokers.find(({ url }: { url: string }) => url === urls[2]).id as string
    urls.pop()
    await expect.poll(() => cluster(), SOON).toMatch(/AWAY/)
    for (const { log } of served.slice(0, 2))
      expect(log).toContainEqual(
        expect.objectContaining({ level: 'warn', member: dead, url: served[2]!.url }),
      )
    await expect(cluster('drain', dead)).rejects.toMatchObject({
      stderr: expect.stringContaining('no other broker that lives can take them'),
    })
    urls.push((await start('d')).url)
    expect(await cluster('drain', dead.slice(0, 8))).toContain('Nothing is on')
    expect(await cluster('forget', dead)).toContain('is forgotten')
    expect(await cluster()).not.toMatch(/AWAY/)
    expect(await cluster('rebalance')).toContain('spread evenly')
    await expect
      .poll(async () => (await admin.describePlacement()).map(({ inSync }) => inSync.length), SOON)
      .toEqual([3, 3, 3])
  })

  test('a cluster whose place in ZooKeeper is empty is rebuilt from the directories of its brokers', async () => {
    const program = await bundleProgram('src/cli/main.ts', 'rebuild')
    const root = await temporaryDirectory()
    const server = await sharedServer()
    const names = ['a', 'b', 'c']
    const serveAll = (place: string) =>
      Promise.all(
        names.map((name) =>
          startServe(program, [
            ...['--directory', join(root, name), '--zookeeper', server + place],
            ...['--session-timeout', '2000'],
          ]),
        ),
      )
    const cluster = (...args: string[]) => run(process.execPath, [program, 'cluster', ...args])
    const before = `/rebuild-${randomUUID()}`
    const served = await serveAll(before)
    const remote = connect(
      served.map(({ url }) => url),
      { logger: quiet },
    )
    await new Admin(remote).createTopic('orders', { partitions: 3 })
    const producer = new Producer(remote)
    await Promise.all([1, 2, 3, 4, 5, 6].map((n) => producer.send('orders', n, { partition: n % 3 })))
    const consumer = new Consumer<number>(remote, 'orders', { group: 'g' })
    const taken = [await consumer.receive(), await consumer.receive()]
    for (const message of taken) await message.ack()
    await consumer.close()
    await remote.close()
    const exporting = cluster('export', '--directory', join(root, 'a'))
    await expect(exporting).rejects.toMatchObject({ stderr: expect.stringContaining('DIRECTORY_IN_USE') })
    for (const { kill } of served) kill('SIGTERM')
    expect(await Promise.all(served.map(({ ended }) => ended))).toEqual([0, 0, 0])

    const files = await Promise.all(
      names.map(async (name) => {
        const { stdout } = await cluster('export', '--directory', join(root, name))
        const file = join(root, `${name}.json`)
        await writeFile(file, stdout)
        return file
      }),
    )
    const after = `/rebuild-${randomUUID()}`
    const rebuilt = await cluster('rebuild', ...files, '--zookeeper', server + after)
    expect(rebuilt).toMatchObject({ stdout: expect.stringContaining('3 brokers. Start them.'), stderr: '' })
    const again = cluster('rebuild', ...files, '--zookeeper', server + after)
    await expect(again).rejects.toMatchObject({ stderr: expect.stringContaining('holds a cluster') })
    const urls = (await serveAll(after)).map(({ url }) => url)
    const next = connect(urls, { logger: quiet })
    onTestFinished(() => next.close())
    const rest = new Consumer<number>(next, 'orders', { group: 'g' })
    const values = taken.map(({ value }) => value)
    while (values.length < 6) {
      const message = await rest.receive()
      values.push(message.value)
      await message.ack()
    }
    expect(values.toSorted()).toEqual([1, 2, 3, 4, 5, 6])
    await rest.close()
  })
})
