import { setTimeout } from 'node:timers/promises'
import { Admin } from '../../index.js'
import { interruption, type Target, withBroker } from '../open.js'
import { type ClusterPicture, clusterLines } from './lines.js'
import { Screen } from './screen.js'

export interface ShowOptions extends Target {
  readonly topic?: string
  readonly watch?: boolean
  readonly json?: boolean
}

/** Between two pictures (ms). */
const INTERVAL = 1_000

export async function showCluster({ topic, watch, json, ...target }: ShowOptions): Promise<void> {
  await withBroker(target, async (broker) => {
    const admin = new Admin(broker)
    if (watch) return watchCluster(admin, topic, json ?? false)
    const picture = await look(admin, topic)
    process.stdout.write(json ? asJson(picture, 2) : `${clusterLines(picture, width()).join('\n')}\n`)
  })
}

async function watchCluster(admin: Admin, topic: string | undefined, json: boolean): Promise<void> {
  const { signal, stop } = interruption()
  const screen = json || !process.stdout.isTTY ? undefined : new Screen()
  try {
    while (!signal.aborted) {
      // A broker that is away is what one wants to see here, not the end of it.
      const lines = await look(admin, topic).then(
        (picture) => (json ? [asJson(picture).trimEnd()] : clusterLines(picture, width())),
        (error: Error) => [`${new Date().toLocaleTimeString()}  ${error.message}`],
      )
      if (screen) screen.draw(lines)
      else process.stdout.write(`${lines.join('\n')}\n`)
      await setTimeout(INTERVAL, undefined, { signal }).catch(() => {})
    }
  } finally {
    screen?.end()
    stop()
  }
}

async function look(admin: Admin, topic: string | undefined): Promise<ClusterPicture> {
  const [cluster, partitions] = await Promise.all([admin.describeCluster(), admin.describePlacement(topic)])
  return { cluster, partitions }
}

function asJson({ cluster, partitions }: ClusterPicture, indent?: number): string {
  return `${JSON.stringify({ ...cluster, placement: partitions }, undefined, indent)}\n`
}

function width(): number {
  return process.stdout.columns ?? 120
}
