import { execFileSync } from 'node:child_process'
import { cpus, loadavg, totalmem, type } from 'node:os'
import { type Figure, reached } from './figure.js'

export interface RowResult {
  readonly row: string
  readonly seconds: number
  readonly figures: readonly Figure[]
  readonly error?: string | undefined
}

/** Aligned columns: what was measured, its figure, the goal, whether it is reached, and the baselines of the same run. */
export function table(results: readonly RowResult[]): string {
  const lines = [['', 'figure', 'goal', '', 'beside it, in the same run']]
  for (const { row, figures, error } of results) {
    for (const figure of figures) {
      lines.push([
        figure.what,
        format(figure.value, figure.unit),
        goalText(figure),
        { true: '✓', false: '✗', undefined: '' }[String(reached(figure))]!,
        (figure.beside ?? [])
          .map(({ baseline, value, ratio }) => `${ratio.toFixed(2)} × ${baseline} (${compact(value)})`)
          .join(', '),
      ])
    }
    if (error !== undefined) lines.push([row, 'failed', '', '✗', error.split('\n')[0]!])
  }
  const widths = [0, 1, 2, 3].map((column) => Math.max(...lines.map((line) => line[column]!.length)))
  return lines
    .map(([what, figure, goal, mark, rest]) =>
      [
        what!.padEnd(widths[0]!),
        figure!.padStart(widths[1]!),
        goal!.padStart(widths[2]!),
        mark!.padEnd(widths[3]!),
        rest!,
      ]
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** What figures cannot be compared without. */
export function environment(quick: boolean) {
  return {
    date: new Date().toISOString(),
    commit: commit(),
    quick,
    node: process.version,
    system: type(),
    processors: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    /** Of the minute before: anything near the number of processors makes absolute figures worthless. */
    load: Number(loadavg()[0]!.toFixed(2)),
  }
}

function commit(): string | undefined {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
  } catch {
    return undefined
  }
}

function goalText({ goal, unit }: Figure): string {
  if (goal === undefined) return ''
  return 'atLeast' in goal ? `≥ ${format(goal.atLeast, unit)}` : `< ${format(goal.below, unit)}`
}

function format(value: number, unit: Figure['unit']): string {
  return `${compact(value)} ${unit}`
}

function compact(value: number): string {
  if (value >= 10_000) return `${Math.round(value / 1_000).toLocaleString('en')} k`
  if (value >= 1_000) return `${(value / 1_000).toFixed(2)} k`
  return value >= 100 ? value.toFixed(0) : value.toFixed(2)
}
