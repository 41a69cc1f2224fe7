/**
 * A server as people name it: `https://HOST[:PORT]/…`, `HOST:PORT` or `HOST`.
 *
 * @module
 */
import { ProgramError } from './errors.ts'

/** Host and port to connect to. */
export interface Target {
  host: string
  port: number
}

/**
 * Reads a target; the port is 443 where none is given, 80 for http://.
 *
 * @throws {@link ProgramError} `not-found` for what is neither a file nor an address
 */
export function parseTarget(text: string): Target {
  if (FILE.test(text) && !text.includes('://')) {
    throw new ProgramError('not-found', `there is no file ${text}`)
  }
  const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`
  if (!URL.canParse(url) || text.startsWith('.') || text.startsWith('/')) {
    throw new ProgramError('not-found', `"${text}" is neither a file nor a URL nor HOST:PORT`)
  }
  const { hostname, port, protocol } = new URL(url)
  const standard = protocol === 'http:' ? 80 : 443
  return {
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: port === '' ? standard : Number(port),
  }
}

/** No host ends like this. */
const FILE = /\.(?:pem|crt|cer|der|key|p12|pfx|csr|crl)$/i
