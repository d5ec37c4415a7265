export interface ParsedFamily {
  readonly type: string
  readonly help: string
  readonly samples: {
    readonly name: string
    readonly labels: Record<string, string>
    readonly value: number
  }[]
}

const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\["\\n])*)"(?:,|$)/y
const SUFFIXES: Record<string, readonly string[]> = {
  counter: [''],
  gauge: [''],
  histogram: ['_bucket', '_sum', '_count'],
}

/** Reads Prometheus' text format, 0.0.4, and throws on whatever a scraper would refuse or a linter would complain of. */
export function parsePrometheus(text: string): Map<string, ParsedFamily> {
  if (!text.endsWith('\n')) throw new Error('The last line has no end.')
  const families = new Map<string, ParsedFamily>()
  const seen = new Set<string>()
  let help: [name: string, text: string] | undefined
  let family: [name: string, family: ParsedFamily] | undefined
  for (const line of text.slice(0, -1).split('\n')) {
    const comment = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line)
    if (comment?.[1] === 'HELP') help = [comment[2]!, comment[3]!]
    else if (comment) {
      const name = comment[2]!
      if (help?.[0] !== name) throw new Error(`${name} has no help before its type.`)
      if (families.has(name)) throw new Error(`${name} comes twice.`)
      family = [name, { type: comment[3]!, help: help[1], samples: [] }]
      families.set(...family)
    } else {
      const [, name = '', labels = '', value = ''] = LINE.exec(line) ?? []
      const suffixes = SUFFIXES[family?.[1].type ?? ''] ?? []
      if (!family || !suffixes.some((suffix) => name === family![0] + suffix))
        throw new Error(`Not a sample of the family before: ${line}`)
      if (!Number.isFinite(Number(value))) throw new Error(`No finite value: ${line}`)
      if (seen.has(line.slice(0, line.lastIndexOf(' ')))) throw new Error(`Twice: ${line}`)
      seen.add(line.slice(0, line.lastIndexOf(' ')))
      family[1].samples.push({ name, labels: parseLabels(labels), value: Number(value) })
    }
  }
  for (const [name, one] of families) checkFamily(name, one)
  return families
}

function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {}
  LABEL.lastIndex = 0
  while (LABEL.lastIndex < text.length) {
    const match = LABEL.exec(text)
    if (!match) throw new Error(`No labels: ${text}`)
    labels[match[1]!] = match[2]!.replaceAll(/\\(.)/g, (_, one) => (one === 'n' ? '\n' : one))
  }
  return labels
}

/** Prometheus' conventions: base units, `_total` on counters and on nothing else. */
function checkFamily(name: string, { type, samples }: ParsedFamily): void {
  if (name.endsWith('_total') !== (type === 'counter')) throw new Error(`${name} is a ${type}.`)
  if (/milli|micro|minute|hour|kilo|mega|kib|mib|percent/.test(name))
    throw new Error(`${name} is not in a base unit.`)
  if (type !== 'histogram') return
  const buckets = samples.filter((sample) => sample.name === `${name}_bucket`)
  const bounds = buckets.map(({ labels }) => Number(labels['le']!.replace('+Inf', 'Infinity')))
  const counts = buckets.map(({ value }) => value)
  const rises = (values: number[]) => values.every((value, at) => at === 0 || value >= values[at - 1]!)
  const count = samples.find((sample) => sample.name === `${name}_count`)
  if (!rises(bounds) || !rises(counts) || bounds.at(-1) !== Infinity || counts.at(-1) !== count?.value)
    throw new Error(`The buckets of ${name} are wrong.`)
}
