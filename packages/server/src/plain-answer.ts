/**
 * What plain HTTP gets on a port that speaks HTTPS.
 *
 * @module
 */
import type { IncomingMessage } from 'node:http'
import { answerProblem } from './dispatch.ts'
import type { RequestListener } from './handler.ts'

/**
 * Sends GET and HEAD to the same place by https (308), and refuses the rest: their body has already crossed the network
 * in the clear, and must not be sent again as if nothing had happened.
 */
export const redirectToHttps: RequestListener = (incoming, outgoing) => {
  const location = httpsLocation(incoming)
  if (location === undefined) {
    answerProblem(outgoing, {
      status: 400,
      code: 'https-only',
      detail: 'this port speaks HTTPS',
      hint: 'write https:// instead of http://',
      headers: { connection: 'close' },
    })
    return
  }
  outgoing.writeHead(308, {
    location,
    'content-length': 0,
    // A browser would keep a 308 for good, and the port may speak plain HTTP tomorrow.
    'cache-control': 'no-store',
    connection: 'close',
  })
  outgoing.end()
}

/** The same request by https, or `undefined` where it must not or cannot be sent there. */
function httpsLocation({ method, url, headers }: IncomingMessage): string | undefined {
  const host = headers.host
  if (method !== 'GET' && method !== 'HEAD') return undefined
  // The answer repeats both: only what can be nothing but a host and a path may stand in it.
  if (host === undefined || !SAFE_HOST.test(host)) return undefined
  if (url === undefined || !SAFE_PATH.test(url)) return undefined
  return `https://${host}${url}`
}

/** A host name, an IPv4 or a bracketed IPv6 address, and a port (RFC 3986 §3.2.2). */
const SAFE_HOST =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/

/** Printable ASCII without quotes, angle brackets and backslash. */
const SAFE_PATH = /^\/[!#-;=?-[\]_a-z~]*$/
