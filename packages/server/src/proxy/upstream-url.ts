/**
 * Where requests are passed on to, as it is written: `http://127.0.0.1:5000`, `https://app.corp.internal`, `unix:/run/app.sock`.
 *
 * @module
 */
import { ServerError } from '../errors.ts'

/** An upstream's address. */
export interface UpstreamTarget {
  /** As it is named in messages. */
  readonly label: string
  readonly secure: boolean
  readonly host: string
  readonly port: number
  /** Instead of host and port. */
  readonly socketPath: string | undefined
  /** What `Host` says to it, unless the client's is kept. */
  readonly hostHeader: string
}

/**
 * Reads an upstream's address.
 *
 * A path is refused: put before the client's own, `..` would lead out of it.
 *
 * @param text - `http:`, `https:`, `unix:/path.sock`, `http+unix:/path.sock` or `http+unix://%2Fpath.sock`
 * @param option - the option's name, for the message
 * @throws {@link ServerError} `option-invalid`
 */
export function parseUpstream(text: string, option: string): UpstreamTarget {
  const socketPath = socketPathOf(text, option)
  if (socketPath !== undefined) {
    return {
      label: `unix:${socketPath}`,
      secure: false,
      host: 'localhost',
      port: 80,
      socketPath,
      hostHeader: 'localhost',
    }
  }
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw invalid(option, `${option}: ${JSON.stringify(text)} is no address of an upstream`)
  }
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    throw invalid(option, `${option}: ${url.origin} is followed by a path`)
  }
  if (url.username !== '' || url.password !== '') {
    throw invalid(option, `${option}: ${url.origin} holds a name or password`)
  }
  const secure = url.protocol === 'https:'
  const host = url.hostname.replaceAll(/[[\]]/g, '')
  return {
    label: url.origin,
    secure,
    host,
    port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
    socketPath: undefined,
    hostHeader: url.host,
  }
}

function socketPathOf(text: string, option: string): string | undefined {
  const [, rest] = /^(?:http\+)?unix:(.*)$/s.exec(text) ?? []
  if (rest === undefined) return undefined
  const encoded = rest.startsWith('//') && !rest.startsWith('///') ? rest.slice(2) : undefined
  const path = encoded === undefined ? rest.replace(/^\/\/\//, '/') : decoded(encoded)
  if (path?.startsWith('/') === true && !path.includes('\0') && path.length <= LONGEST_PATH) {
    return path
  }
  throw invalid(option, `${option}: ${JSON.stringify(text)} names no socket`)
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replace(/\/$/, ''))
  } catch {
    return undefined
  }
}

function invalid(option: string, message: string): ServerError {
  return new ServerError('option-invalid', message, {
    option,
    hint: 'write http://127.0.0.1:5000, https://app.corp.internal or unix:/run/app.sock',
  })
}

/** `sun_path` of Linux without its zero. */
const LONGEST_PATH = 107
