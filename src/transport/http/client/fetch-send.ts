import { PortalError } from '../../../core/errors.js'
import type { Pack, Send } from './send.js'

/** `fetch`, wherever there is one. It hands over answers as a whole. */
export const fetchSend: Send = async ({ method, origin, path, headers, body, signal, timeout }) => {
  const limit = AbortSignal.timeout(timeout)
  const response = await fetch(origin + path, {
    method,
    headers,
    body: (body ?? null) as NonNullable<RequestInit['body']> | null,
    // Nothing lighter ends calls where there is no broker.
    signal: signal === undefined ? limit : AbortSignal.any([signal as AbortSignal, limit]),
    redirect: 'error',
  })
  return {
    status: response.status,
    body: new Uint8Array(await response.arrayBuffer()),
  }
}

/** What the web's own streams can do. */
export const webPack: Pack = async (records, compression) => {
  if (compression !== 'deflate')
    throw new PortalError('UNSUPPORTED', `There is no ${compression} here: use 'deflate'.`)
  const packed = new Blob([records as Uint8Array<ArrayBuffer>])
    .stream()
    .pipeThrough(new CompressionStream('deflate-raw'))
  return new Uint8Array(await new Response(packed).arrayBuffer())
}
