import { dirname } from 'node:path'

/** What a process did to the files of one directory, and said, in the order of completion. */
export type DiskEvent =
  | { readonly type: 'create'; readonly file: string }
  | { readonly type: 'write'; readonly file: string; readonly offset: number; readonly bytes: Buffer }
  | { readonly type: 'truncate'; readonly file: string; readonly size: number }
  | { readonly type: 'sync'; readonly file: string }
  | { readonly type: 'sync-directory' }
  | { readonly type: 'unlink'; readonly file: string }
  | { readonly type: 'said'; readonly text: string }

export const STRACE = [
  ...['strace', '-f', '--seccomp-bpf', '-xx', '-s', '200000', '-e', 'signal=none'],
  ...[
    '-e',
    'trace=openat,close,pwrite64,write,writev,pwritev,fsync,fdatasync,ftruncate,fallocate,unlink,rename',
  ],
]

/** Reads a trace made with STRACE. Throws on a call that it cannot follow: better than a model that is too kind. */
export function readTrace(trace: string, directory: string): DiskEvent[] {
  const events: DiskEvent[] = []
  const paths = new Map<number, string>()
  for (const { call, args, result } of wholeCalls(trace)) {
    if (result < 0) continue
    const path = paths.get(Number.parseInt(args, 10)) ?? ''
    const ours = dirname(path) === directory
    switch (call) {
      case 'openat': {
        const opened = fromHex(strings(args)[0]!).toString()
        paths.set(result, opened)
        if (dirname(opened) === directory && args.includes('O_CREAT'))
          events.push({ type: 'create', file: opened })
        break
      }
      case 'close':
        paths.delete(Number.parseInt(args, 10))
        break
      case 'write':
        if (args.startsWith('1,')) events.push({ type: 'said', text: fromHex(strings(args)[0]!).toString() })
        else if (ours && !path.endsWith('.pid')) throw new Error(`A write without an offset to ${path}.`)
        break
      case 'pwrite64': {
        if (!ours) break
        const bytes = fromHex(strings(args)[0]!)
        if (bytes.length !== result)
          throw new Error(`${result} bytes were written and ${bytes.length} traced.`)
        events.push({
          type: 'write',
          file: path,
          offset: Number(args.slice(args.lastIndexOf(',') + 1)),
          bytes,
        })
        break
      }
      case 'fsync':
      case 'fdatasync':
        if (path === directory) events.push({ type: 'sync-directory' })
        else if (ours) events.push({ type: 'sync', file: path })
        break
      case 'ftruncate':
        if (ours)
          events.push({ type: 'truncate', file: path, size: Number(args.slice(args.lastIndexOf(',') + 1)) })
        break
      case 'unlink': {
        const file = fromHex(strings(args)[0]!).toString()
        if (dirname(file) === directory) events.push({ type: 'unlink', file })
        break
      }
      default:
        if (ours) throw new Error(`The model of a disk does not know ${call}.`)
    }
  }
  return events
}

/** Puts the halves of calls together that strace tore apart because another thread came between. */
function* wholeCalls(trace: string): Generator<{ call: string; args: string; result: number }> {
  const unfinished = new Map<string, string>()
  for (const line of trace.split('\n')) {
    const [, thread = '', rest = ''] = /^(\d+) +(.*)$/.exec(line) ?? []
    if (rest.endsWith('<unfinished ...>')) {
      unfinished.set(thread, rest.slice(0, -'<unfinished ...>'.length).trimEnd())
      continue
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest)
    const text = resumed === null ? rest : `${unfinished.get(thread)}${resumed[1]}`
    const equals = text.lastIndexOf(') ')
    const open = text.indexOf('(')
    if (open < 0 || equals < 0) continue
    const result = Number.parseInt(text.slice(text.indexOf('=', equals) + 1), 10)
    yield { call: text.slice(0, open), args: text.slice(open + 1, equals), result }
  }
}

function strings(args: string): string[] {
  return args.split('"').filter((_, at) => at % 2 === 1)
}

function fromHex(text: string): Buffer {
  return Buffer.from(text.replaceAll('\\x', ''), 'hex')
}
