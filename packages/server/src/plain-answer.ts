/**
 * What plain HTTP gets on a port that speaks HTTPS.
 *
 * @module
 */
import { type Problem, problemResponse } from '@countersign/core'
import { answerProblem } from './answer-problem.ts'
import type { RequestListener } from './handler.ts'

/**
 * Sends GET and HEAD to the same place by https (308), and refuses the rest: their body has already crossed the network
 * in the clear, and must not be sent again as if nothing had happened.
 */
export const redirectToHttps: RequestListener = (incoming, outgoing) => {
  const { method, headers, url } = incoming
  const location = httpsLocation(method, headers.host, url)
  if (location === undefined) {
    answerProblem(outgoing, HTTPS_ONLY)
    return
  }
  outgoing.writeHead(308, { location, 'content-length': 0, ...REDIRECT_HEADERS })
  outgoing.end()
}

/**
 * The same as a fetch handler, for a `plain` of one's own that answers only some addresses and leaves the rest to this.
 *
 * @returns 308 for GET and HEAD, else 400 `https-only`
 */
export function httpsOnly(request: Request): Response {
  const { pathname, search } = new URL(request.url)
  const host = request.headers.get('host') ?? undefined
  const location = httpsLocation(request.method, host, pathname + search)
  if (location === undefined) return problemResponse(HTTPS_ONLY)
  return new Response(null, { status: 308, headers: { location, ...REDIRECT_HEADERS } })
}

/** The same request by https, or `undefined` where it must not or cannot be sent there. */
function httpsLocation(
  method: string | undefined,
  host: string | undefined,
  target: string | undefined,
): string | undefined {
  if (method !== 'GET' && method !== 'HEAD') return undefined
  // The answer repeats both: only what can be nothing but a host and a path may stand in it.
  if (host === undefined || !SAFE_HOST.test(host)) return undefined
  if (target === undefined || !SAFE_PATH.test(target)) return undefined
  return `https://${host}${target}`
}

const HTTPS_ONLY: Problem = {
  status: 400,
  code: 'https-only',
  detail: 'this port speaks HTTPS',
  hint: 'write https:// instead of http://',
  headers: { connection: 'close' },
}

// A browser would keep a 308 for good, and the port may speak plain HTTP tomorrow.
const REDIRECT_HEADERS = { 'cache-control': 'no-store', connection: 'close' }

/** A host name, an IPv4 or a bracketed IPv6 address, and a port (RFC 3986 §3.2.2). */
const SAFE_HOST =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/

/** Printable ASCII without quotes, angle brackets and backslash. */
const SAFE_PATH = /^\/[!#-;=?-[\]_a-z~]*$/
