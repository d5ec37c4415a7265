import { describe, expect, it } from 'vitest'
import { parseConnectionString, serverName } from '../../src/coordination/zookeeper/connection-string.js'
import { loadPackage } from '../../src/coordination/zookeeper/package.js'
import { resolveServers } from '../../src/coordination/zookeeper/resolve-servers.js'
import { zookeeper } from '../../src/zookeeper.js'

describe('a connection string', () => {
  it.each([
    ['zk', [{ host: 'zk', port: 2181 }], '/portal-mq'],
    [
      'zk1:2181,zk2:2182/a/b',
      [
        { host: 'zk1', port: 2181 },
        { host: 'zk2', port: 2182 },
      ],
      '/a/b',
    ],
    [
      'zk1.example.org, 10.0.0.2:1',
      [
        { host: 'zk1.example.org', port: 2181 },
        { host: '10.0.0.2', port: 1 },
      ],
      '/portal-mq',
    ],
    [
      '[::1]:2181,[fe80::1]/x',
      [
        { host: '::1', port: 2181 },
        { host: 'fe80::1', port: 2181 },
      ],
      '/x',
    ],
  ])('%s', (text, servers, root) => {
    expect(parseConnectionString(text)).toEqual({ servers, root })
  })

  it.each([
    '',
    ' ',
    '/a',
    ',',
    'zk1,,zk2',
    'zk:',
    'zk:port',
    'zk:0',
    'zk:65536',
    'zk:2181/',
    'zk:2181/a/',
    'zk:2181//a',
    'zk:2181/a/../b',
    'zk:2181/zookeeper',
    'zk:2181/zookeeper/quota',
    'user@zk:2181',
    'zk 1:2181',
    '::1',
    'zk1:2181/a,zk2:2181/\u0000',
    undefined,
    7,
  ])('%j is refused before anything happens', (text) => {
    expect(() => zookeeper(text as string)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })
})

describe('options', () => {
  it.each([
    { sessionTimeout: 0 },
    { sessionTimeout: 499 },
    { sessionTimeout: 1_000.5 },
    { sessionTimeout: 2 ** 31 },
    { sessionTimeout: '6s' },
    { connectTimeout: 0 },
    { connectTimeout: Infinity },
    { auth: 'me:secret' },
    { auth: {} },
    { auth: { digest: 'secret' } },
    { auth: { digest: ':secret' } },
    { auth: { digest: 'me:' } },
    { auth: { digest: 'me:secret', acl: 'all' } },
    { client: 'native' },
    { client: 'package', auth: { digest: 'me:secret' } },
    { chroot: '/a' },
    null,
  ])('%j are refused', (options) => {
    expect(() => zookeeper('zk:2181', options as object)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    )
  })

  it('that hold a password do not show it when they are refused', () => {
    expect(() => zookeeper('zk:2181', { auth: { digest: 'hunter2' } })).toThrow(/^(?!.*hunter2)/s)
  })
})

describe('host names', () => {
  const find = async (host: string) => {
    const known: Record<string, string[]> = { zk1: ['10.0.0.1', 'fd00::1'], zk2: ['10.0.0.1'] }
    if (!known[host]) throw new Error(`ENOTFOUND ${host}`)
    return known[host].map((address) => ({ address }))
  }

  it('give all their addresses, each once', async () => {
    const servers = ['zk1', 'zk2'].map((host) => ({ host, port: 2181 }))
    expect((await resolveServers(servers, find)).map(serverName)).toEqual(['10.0.0.1:2181', '[fd00::1]:2181'])
  })

  it('that lead nowhere are left out while there are others, and named when there are none', async () => {
    const [known, unknown] = ['zk2', 'nowhere'].map((host) => ({ host, port: 2181 }))
    expect(await resolveServers([unknown!, known!], find)).toEqual([{ host: '10.0.0.1', port: 2181 }])
    await expect(resolveServers([unknown!], find)).rejects.toMatchObject({
      code: 'DISCONNECTED',
      message: expect.stringContaining('nowhere'),
    })
  })
})

describe('the package zookeeper', () => {
  it('that is missing is asked for, with the commands of npm 11, npm 12 and pnpm', async () => {
    const missing = Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' })
    const loading = loadPackage(() => Promise.reject(missing))
    await expect(loading).rejects.toMatchObject({ code: 'UNSUPPORTED', cause: missing })
    const { message } = (await loading.catch((error: Error) => error)) as Error
    for (const command of [
      'npm install zookeeper@7',
      'npm install-scripts approve zookeeper',
      'pnpm add zookeeper@7',
    ]) {
      expect(message).toContain(command)
    }
  })

  it('whose binary is missing is to be built again', async () => {
    const loading = loadPackage(() => Promise.reject(new Error('No native build was found')))
    await expect(loading).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('npm rebuild zookeeper'),
    })
  })

  it('is not loaded in a worker thread, which it would abort the process from', async () => {
    let loads = 0
    const load = async () => loads++
    await expect(loadPackage(load, false)).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    expect(loads).toBe(0)
  })
})
