import { StringDecoder } from 'node:string_decoder'

/**
 * The lines of a stream, as many at a time as a chunk holds; faster than one by one. A last line without an end counts. Ends when the
 * signal aborts.
 */
export async function* readLines(input: NodeJS.ReadStream, signal: AbortSignal): AsyncGenerator<string[]> {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  const stop = () => input.destroy()
  signal.addEventListener('abort', stop, { once: true })
  try {
    for await (const chunk of input) {
      const lines = (rest + decoder.write(chunk as Buffer)).split('\n')
      rest = lines.pop() ?? ''
      yield lines.map(withoutReturn)
    }
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    signal.removeEventListener('abort', stop)
  }
  rest += decoder.end()
  if (rest !== '' && !signal.aborted) yield [withoutReturn(rest)]
}

function withoutReturn(line: string): string {
  return line.endsWith('\r') ? line.slice(0, -1) : line
}
