import { bold, dim, green, grouped, padVisible, red } from '../terminal.js'
import type { ClusterScene } from './cluster-scene.js'

/** What came of it, counted: the logs were read from their first offsets to their ends. */
export function clusterSummary(
  { ledger, sensors, story }: Pick<ClusterScene, 'ledger' | 'sensors' | 'story'>,
  log: ReadonlyMap<string, number>,
  colours: boolean,
): string {
  const good = (text: string) => (colours ? green(bold(text)) : text)
  const bad = (text: string) => (colours ? red(bold(text)) : text)
  const verdict = (count: number) => (count === 0 ? good('0') : bad(grouped(count)))
  const sent = sensors.reduce((sum, sensor) => sum + sensor.count, 0)
  const twice = [...log.values()].filter((times) => times > 1).length
  const missing = ledger.missingFrom(log)
  const rows: [string, string, string][] = [
    ['sent', grouped(sent), 'by two sensors'],
    ['stored', grouped(ledger.sent), 'acknowledged: on the disks of all in sync'],
    ['handled', grouped(ledger.acknowledged), 'acknowledged by a controller'],
    ['redelivered', grouped(ledger.redelivered), `${grouped(ledger.failed)} had failed on purpose`],
    ['duplicates', verdict(twice + ledger.duplicates), 'in a log twice, or handled twice'],
    ['lost', verdict(missing + ledger.lost), 'stored, and not in the log or not handled'],
  ]
  if (story.takeover > 0) {
    const pause = `when the leader died; another led after ${grouped(Math.round(story.takeover))} ms`
    rows.splice(4, 0, ['pause', `${grouped(Math.round(story.pause))} ms`, pause])
  }
  const lines = rows.map(([name, count, note]) =>
    `  ${name.padEnd(13)}${padVisible(count, 9)}  ${colours ? dim(note) : note}`.trimEnd(),
  )
  return `${lines.join('\n')}\n`
}
