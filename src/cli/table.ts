import { InvalidArgumentError } from 'commander'

/** Prints rows under headings; numbers to the right. */
export function table(headings: readonly string[], rows: Rows): void {
  process.stdout.write(`${tableLines(headings, rows).join('\n')}\n`)
}

type Rows = readonly (readonly (string | number)[])[]

export function tableLines(headings: readonly string[], rows: Rows): string[] {
  const cells = [
    headings,
    ...rows.map((row) => row.map((cell) => (typeof cell === 'number' ? cell.toLocaleString('en') : cell))),
  ]
  const widths = headings.map((_, column) => Math.max(...cells.map((row) => (row[column] ?? '').length)))
  const lines = cells.map((row) => {
    const line = row.map((cell, column) => {
      const isNumber = typeof (rows[0] ?? [])[column] === 'number'
      return isNumber ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)
    })
    return line.join('  ').trimEnd()
  })
  return rows.length === 0 ? [...lines, '(none)'] : lines
}

export function byteCount(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}

/** A whole number of at least 0, for commander. */
export function countOption(text: string): number {
  if (/^\d+$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It must be a whole number.')
}
