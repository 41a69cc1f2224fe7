/**
 * The line under an error of trust that says how to learn more: `countersign explain`, with the options that were used.
 *
 * @module
 */
import { CountersignError } from '@countersign/core'
import { shellWord } from './shell.ts'

/** The options of a command that decide whom it trusts and who it is. */
export interface TrustFlags {
  ca?: readonly string[] | undefined
  extraCa?: readonly string[] | undefined
  cert?: string | undefined
  key?: string | undefined
  data?: string | undefined
  proxy?: string | false | undefined
  proxyCa?: readonly string[] | undefined
  unixSocket?: string | undefined
  /** Explain at once. */
  explain?: boolean | undefined
}

/**
 * The command that explains an error.
 *
 * @returns `undefined` where the error is not about trust, or does not say which server it is about
 */
export function explainCommand(error: unknown, flags: TrustFlags): string | undefined {
  const server = distrustedServer(error)
  if (server === undefined || goesRound(flags)) return undefined
  const words = [server, ...trustWords(flags)]
  return `countersign explain ${words.map(shellWord).join(' ')}`
}

/** Whether a call did not go straight to the host of its URL: asking that one would be asking another server. */
export function goesRound({ proxy, proxyCa, unixSocket }: TrustFlags): boolean {
  return typeof proxy === 'string' || proxyCa !== undefined || unixSocket !== undefined
}

/** `HOST:PORT` of the server that an error of trust is about. */
export function distrustedServer(error: unknown): string | undefined {
  return error instanceof CountersignError && isAboutTrust(error) ? serverOf(error) : undefined
}

/** The same trust, as options of another command. */
function trustWords({ ca, extraCa, cert, key, data }: TrustFlags): string[] {
  return [
    ...(ca ?? []).flatMap((file) => ['--ca', file]),
    ...(extraCa ?? []).flatMap((file) => ['--extra-ca', file]),
    ...(cert === undefined ? [] : ['--cert', cert]),
    ...(key === undefined ? [] : ['--key', key]),
    ...(data === undefined ? [] : ['--data', data]),
  ]
}

function isAboutTrust(error: CountersignError): boolean {
  if (CLASSES.has(error.name)) return true
  // Of a fault in a file of ours there is nothing to ask a server.
  if (error.name === 'TlsError') {
    return 'host' in error && error.host !== undefined && error.code !== 'connect-failed'
  }
  return error.name === 'ConnectError' && CONNECT_CODES.has(error.code)
}

function serverOf(error: CountersignError): string | undefined {
  if ('url' in error && typeof error.url === 'string' && URL.canParse(error.url)) {
    const { protocol, hostname, port } = new URL(error.url)
    return protocol === 'https:' ? `${hostname}:${port === '' ? 443 : port}` : undefined
  }
  if (!('host' in error && 'port' in error)) return undefined
  const { host, port } = error
  if (typeof host !== 'string' || typeof port !== 'number') return undefined
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** By class, so that a command that never speaks to a network need not load the client. */
const CLASSES: ReadonlySet<string> = new Set(['TrustError', 'IdentityError'])
const CONNECT_CODES: ReadonlySet<string> = new Set(['not-tls', 'reset', 'handshake-failed'])
