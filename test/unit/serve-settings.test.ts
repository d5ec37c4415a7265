import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { clusterPart } from '../../src/cli/serve/cluster-options.js'
import { httpOptions } from '../../src/cli/serve/http-options.js'
import { jsonLogger } from '../../src/cli/serve/json-logger.js'
import { resolveSettings } from '../../src/cli/serve/settings.js'

const folder = mkdtempSync(join(tmpdir(), 'portal-mq-settings-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let files = 0
function file(content: string | object): string {
  const path = join(folder, `file-${files++}`)
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

describe('settings', () => {
  test('have defaults that only this machine can reach', () => {
    expect(resolveSettings({}, {})).toMatchObject({
      port: 5000,
      host: '127.0.0.1',
      directory: './portal-mq-data',
      insecure: false,
      logLevel: 'info',
    })
  })

  test('flags go before the environment, the environment before the file', () => {
    const config = file({
      port: 1,
      host: 'file',
      directory: 'file',
      logLevel: 'debug',
      synchronous: 'normal',
    })
    const environment = { PORTAL_MQ_PORT: '2', PORTAL_MQ_HOST: 'variable', PORTAL_MQ_TLS_CERT: '' }
    const settings = resolveSettings({ config, port: '3' }, environment)
    expect(settings).toMatchObject({ port: 3, host: 'variable', directory: 'file', logLevel: 'debug' })
    expect(settings.broker).toEqual({ synchronous: 'normal' })
    expect(settings.tlsCert).toBeUndefined()
  })

  test('the file can be named by the environment', () => {
    expect(resolveSettings({}, { PORTAL_MQ_CONFIG: file({ port: 7 }) }).port).toBe(7)
  })

  test.each([
    [{ port: '70000' }, {}, '--port must be a whole number from 0 to 65,535.'],
    [{ port: '-1' }, {}, '--port must be'],
    [{}, { PORTAL_MQ_PORT: 'x' }, 'PORTAL_MQ_PORT must be'],
    [{}, { PORTAL_MQ_INSECURE: 'yes' }, 'PORTAL_MQ_INSECURE must be true or false.'],
    [{ logLevel: 'loud' }, {}, '--log-level must be one of debug, info, warn, error, silent.'],
    [{ config: join(folder, 'missing') }, {}, 'cannot be read'],
    [{ config: file('{') }, {}, 'is not JSON'],
    [{ config: file('[]') }, {}, 'must hold one object'],
    [{ config: file({ prot: 1 }) }, {}, "has 'prot', which is not known. Known: port,"],
    [{ config: file({ port: 'x' }) }, {}, "'port' in "],
  ])('that cannot be are refused, with their place: %j %j', (flags, environment, message) => {
    expect(() => resolveSettings(flags, environment)).toThrow(message)
  })
})

describe('the settings of a cluster', () => {
  const zookeeper = 'zk1:2181,zk2:2181/mq'

  test('come from flags, the environment and the file alike', () => {
    const auth = file('# who\nmq:secret\n')
    const config = file({ id: 'mq-1', rack: 'north', replicaLag: 2_000, replicas: 5 })
    const settings = resolveSettings(
      { config, zookeeper, replicas: '3', minInSync: '2' },
      {
        PORTAL_MQ_SESSION_TIMEOUT: '4000',
        PORTAL_MQ_ZOOKEEPER_AUTH_FILE: auth,
        PORTAL_MQ_REPLICATION_THROTTLED_RATE: '1000000',
      },
    )
    expect(settings).toMatchObject({ zookeeper, zookeeperAuthFile: auth, sessionTimeout: 4_000 })
    const { coordination, ...rest } = clusterPart(settings)
    expect(coordination).toBeTypeOf('function')
    expect(rest).toEqual({
      id: 'mq-1',
      rack: 'north',
      replicas: 3,
      minInSync: 2,
      replicaLag: 2_000,
      replicationThrottledRate: 1_000_000,
    })
  })

  test('give each port a directory of its own, and leave alone what a broker had before', () => {
    expect(resolveSettings({ zookeeper }, {}).directory).toBe('./portal-mq-data')
    expect(resolveSettings({ zookeeper, port: '5001' }, {}).directory).toBe('./portal-mq-data-5001')
    expect(resolveSettings({ zookeeper, port: '5001', directory: 'mine' }, {}).directory).toBe('mine')
    expect(resolveSettings({ port: '5001' }, {}).directory).toBe('./portal-mq-data')
  })

  test('mean nothing to a broker that is alone', () => {
    expect(clusterPart(resolveSettings({}, {}))).toEqual({})
    expect(() => clusterPart(resolveSettings({ minInSync: '2' }, {}))).toThrow(
      '--min-in-sync is for brokers of a cluster: give --zookeeper, too.',
    )
  })

  test.each([
    ['replicas', '0', '--replicas must be a whole number above 0.'],
    ['sessionTimeout', '6s', '--session-timeout must be a whole number above 0.'],
  ])('that are no numbers are refused: %s %s', (name, value, message) => {
    expect(() => resolveSettings({ zookeeper, [name]: value }, {})).toThrow(message)
  })

  test('name the file of the user that is none, and never what it says', () => {
    const zookeeperAuthFile = file('secret\n')
    const refused = () => clusterPart(resolveSettings({ zookeeper, zookeeperAuthFile }, {}))
    expect(refused).toThrow(`${zookeeperAuthFile} must hold one line: user:password.`)
    expect(refused).not.toThrow('secret')
  })
})

describe('the options of the server', () => {
  test('tokens stand on lines, with or without a principal, and comments are left out', () => {
    const tokenFile = file('# who\n\naaaa sensors\r\nbbbb\n')
    const rules = [{ principal: 'sensors', produce: ['*'] }]
    const config = file({ rules, limits: { connections: 5 }, cors: { origins: ['*'] } })
    expect(httpOptions(resolveSettings({ tokenFile, config }, {}))).toEqual({
      port: 5000,
      host: '127.0.0.1',
      insecure: false,
      auth: {
        tokens: [
          { token: 'aaaa', principal: 'sensors' },
          { token: 'bbbb', principal: 'default' },
        ],
        rules,
      },
      limits: { connections: 5 },
      cors: { origins: ['*'] },
    })
  })

  test('a line that is no token is named, and not shown', () => {
    const tokenFile = file('secret-1 sensors\nsecret-2 two names\n')
    const read = () => httpOptions(resolveSettings({ tokenFile }, {}))
    expect(read).toThrow(/^Line 2 of the token file/)
    expect(read).not.toThrow(/secret/)
    expect(() => httpOptions(resolveSettings({ tokenFile: file('# none') }, {}))).toThrow('holds no token')
  })

  test('TLS takes certificate and key; an authority makes client certificates count', () => {
    const [tlsCert, tlsKey, tlsCa] = [file('CERT'), file('KEY'), file('CA')]
    expect(httpOptions(resolveSettings({ tlsCert, tlsKey }, {})).tls).toEqual({ cert: 'CERT', key: 'KEY' })
    expect(httpOptions(resolveSettings({ tlsCert, tlsKey, tlsCa }, {}))).toMatchObject({
      tls: { ca: 'CA', requestCert: true },
      auth: { tokens: [] },
    })
    expect(() => httpOptions(resolveSettings({ tlsCert }, {}))).toThrow('--tls-cert and --tls-key')
  })
})

describe('how the brokers of a cluster know each other', () => {
  const secret = 'a-s3cret-that-nobody-may-ever-see-0123'

  test('is a secret in a file, named by a flag, the environment or the configuration file', () => {
    const clusterSecretFile = file(`# of mq-1 to mq-3\n${secret}\n\n ${secret}-before \n`)
    const wanted = { cluster: { secret: [secret, `${secret}-before`] } }
    expect(httpOptions(resolveSettings({ clusterSecretFile }, {}))).toMatchObject(wanted)
    const environment = { PORTAL_MQ_CLUSTER_SECRET_FILE: clusterSecretFile }
    expect(httpOptions(resolveSettings({}, environment))).toMatchObject(wanted)
    expect(httpOptions(resolveSettings({ config: file({ clusterSecretFile }) }, {}))).toMatchObject(wanted)
    expect(httpOptions(resolveSettings({}, {}))).not.toHaveProperty('cluster')
  })

  test('is the names in their certificates, of the configuration file', () => {
    const config = file({ clusterCertificates: ['mq-*'] })
    expect(httpOptions(resolveSettings({ config }, {}))).toMatchObject({
      cluster: { secret: [], certificates: ['mq-*'] },
    })
  })

  test.each([['# nothing\n'], ['']])('is not a file without a secret: %j', (content) => {
    const clusterSecretFile = file(content)
    expect(() => httpOptions(resolveSettings({ clusterSecretFile }, {}))).toThrow(
      `secret file ${clusterSecretFile} holds no secret`,
    )
  })
})

describe('the logger', () => {
  function logged(level: 'debug' | 'info' | 'silent', log: (logger: ReturnType<typeof jsonLogger>) => void) {
    const lines: string[] = []
    log(jsonLogger(level, (line) => void lines.push(line)))
    return lines.map((line) => {
      expect(line.endsWith('\n') && !line.slice(0, -1).includes('\n')).toBe(true)
      return JSON.parse(line)
    })
  }

  test('writes an object a line: time, level, message, fields', () => {
    const lines = logged('info', (logger) => {
      logger.debug({}, 'not this')
      logger.warn({ topic: 'orders', time: 'mine', big: 1n }, 'two\nlines')
    })
    expect(lines).toEqual([
      {
        time: expect.stringMatching(/^\d{4}-.*Z$/),
        level: 'warn',
        message: 'two\nlines',
        topic: 'orders',
        big: '1',
      },
    ])
    expect(logged('silent', (logger) => logger.error({}, 'x'))).toEqual([])
  })

  test('shows errors with their causes, and survives circles', () => {
    const circle: Record<string, unknown> = {}
    circle['self'] = circle
    const err = Object.assign(new Error('outer', { cause: new Error('inner') }), { code: 'CODE' })
    const lines = logged('info', (logger) => {
      logger.error({ err }, 'failed')
      logger.info(circle, 'round')
    })
    expect(lines[0].err).toMatchObject({
      name: 'Error',
      code: 'CODE',
      message: 'outer',
      cause: { message: 'inner' },
    })
    expect(lines[1]).toMatchObject({ level: 'info', message: 'round' })
  })
})
