import { afterAll, describe, inject, onTestFinished } from 'vitest'
import type { HelperAnswer, HelperRequest } from '../../setup/zookeeper-helper.js'

const url = inject('zookeeperHelper')

/** `describe` where there is a ZooKeeper. Where there is none, one test says so, and the others are skipped. */
export const describeCluster = describe.skipIf(url === '')

/** Servers that a test may stop and kill: the process that helps does it. */
export interface Servers {
  readonly addresses: string
  start(server?: number): Promise<void>
  /** Resolves when it serves. */
  ready(server?: number): Promise<void>
  stop(server?: number): Promise<void>
  kill(server?: number): Promise<void>
  pause(server?: number): Promise<void>
  resume(server?: number): Promise<void>
  /** Which one leads; -1: none. */
  leader(): Promise<number>
}

/** The address of the server that all share. */
export async function sharedServer(): Promise<string> {
  return (await ask({ do: 'shared' })).addresses ?? ''
}

/** Servers for the tests of one file or `describe`; they are killed after these. */
export async function openServers(servers: 1 | 3, tickTime = 500): Promise<Servers> {
  const { ensemble = -1, addresses = '' } = await ask({ do: 'open', servers, tickTime })
  afterAll(async () => void (await ask({ do: 'close', ensemble })))
  const act = (what: 'start' | 'ready' | 'stop' | 'kill' | 'pause' | 'resume') => {
    return async (server = 0) => void (await ask({ do: what, ensemble, server }))
  }
  return {
    addresses,
    start: act('start'),
    ready: act('ready'),
    stop: act('stop'),
    kill: act('kill'),
    pause: act('pause'),
    resume: act('resume'),
    leader: async () => (await ask({ do: 'leader', ensemble })).leader ?? -1,
  }
}

/** A way to a server that a test can cut; it ends with the test. */
export interface Link {
  readonly address: string
  /** Cuts the connections of this moment; new ones pass. */
  cut(): Promise<void>
  /** Cuts the connections, and new ones at once, until `mend`. */
  sever(): Promise<void>
  /** Passes nothing on, in neither direction, and keeps the connections, until `mend`. */
  hush(): Promise<void>
  mend(): Promise<void>
  /** New connections lead to another server. */
  lead(target: string): Promise<void>
}

export async function openLink(target: string): Promise<Link> {
  const { link = -1, addresses = '' } = await ask({ do: 'link', target })
  const act = (what: 'cut' | 'sever' | 'hush' | 'mend' | 'unlink') => {
    return async () => void (await ask({ do: what, link }))
  }
  onTestFinished(act('unlink'))
  return {
    address: addresses,
    cut: act('cut'),
    sever: act('sever'),
    hush: act('hush'),
    mend: act('mend'),
    lead: async (target) => void (await ask({ do: 'lead', link, target })),
  }
}

async function ask(request: HelperRequest): Promise<HelperAnswer> {
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(request) })
  const answer = (await response.json()) as HelperAnswer
  if (answer.error !== undefined) throw new Error(answer.error)
  return answer
}
