import { PortalError } from '../../index.js'
import type { ServeSettings } from './settings.js'
import { readSecretFile, readText, readTokenFile, type Token } from './token-file.js'

/** What `http` is given. What only the configuration file says is passed on as it stands there: `http` checks it. */
export interface ServerOptions {
  readonly port: number
  readonly host: string
  readonly advertise?: string
  readonly insecure: boolean
  readonly tls?: {
    readonly cert: string
    readonly key: string
    readonly ca?: string
    readonly requestCert?: boolean
  }
  readonly auth?: { readonly tokens: readonly Token[]; readonly rules?: never }
  readonly cluster?: { readonly secret: readonly string[]; readonly certificates?: never }
  readonly cors?: never
  readonly limits?: never
}

/** Reads the files that the settings name. Throws INVALID_ARGUMENT. */
export function httpOptions(settings: ServeSettings): ServerOptions {
  const { port, host, advertise, insecure, cors, limits } = settings
  const tls = tlsOptions(settings)
  const auth = authOptions(settings)
  const cluster = clusterOptions(settings)
  return {
    port,
    host,
    insecure,
    ...(advertise === undefined ? {} : { advertise }),
    ...(tls === undefined ? {} : { tls }),
    ...(auth === undefined ? {} : { auth }),
    ...(cluster === undefined ? {} : { cluster }),
    ...(cors === undefined ? {} : { cors: cors as never }),
    ...(limits === undefined ? {} : { limits: limits as never }),
  }
}

function tlsOptions({ tlsCert, tlsKey, tlsCa }: ServeSettings): ServerOptions['tls'] {
  if (tlsCert === undefined && tlsKey === undefined && tlsCa === undefined) return undefined
  if (tlsCert === undefined || tlsKey === undefined) {
    throw new PortalError(
      'INVALID_ARGUMENT',
      'TLS needs both --tls-cert and --tls-key: files in PEM. --tls-ca is for the certificates of clients.',
    )
  }
  const own = { cert: readText(tlsCert), key: readText(tlsKey) }
  return tlsCa === undefined ? own : { ...own, ca: readText(tlsCa), requestCert: true }
}

/** Client certificates count once there is a --tls-ca. */
function authOptions({ tokenFile, tlsCa, rules }: ServeSettings): ServerOptions['auth'] {
  if (tokenFile === undefined && tlsCa === undefined && rules === undefined) return undefined
  const tokens = tokenFile === undefined ? [] : readTokenFile(tokenFile)
  return rules === undefined ? { tokens } : { tokens, rules: rules as never }
}

/** How brokers of a cluster know each other. */
function clusterOptions({ clusterSecretFile, clusterCertificates }: ServeSettings): ServerOptions['cluster'] {
  if (clusterSecretFile === undefined && clusterCertificates === undefined) return undefined
  const secret = clusterSecretFile === undefined ? [] : readSecretFile(clusterSecretFile)
  return clusterCertificates === undefined
    ? { secret }
    : { secret, certificates: clusterCertificates as never }
}
