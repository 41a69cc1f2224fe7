/**
 * Requests that a page of another site makes a browser send, with the caller's cookie: `countersign up` refuses them for itself, and so
 * they are refused here for whoever stands behind.
 *
 * @module
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { RequestHead } from './request-head.ts'

/**
 * Whether a browser sends this request for a page that is not of this site, and it may change something or open a connection.
 *
 * @param host - the host as the browser sees it
 */
export function isCrossSite(
  headers: IncomingHttpHeaders,
  head: RequestHead,
  host: string,
): boolean {
  const isSafe = head.method === 'GET' || head.method === 'HEAD' || head.method === 'OPTIONS'
  // A page of another site may open a WebSocket, and read what comes.
  if (isSafe && !head.isUpgrade) return false
  const site = headers['sec-fetch-site']
  if (typeof site === 'string') return site !== 'same-origin' && site !== 'none'
  const { origin } = headers
  if (origin === undefined) return false
  return !URL.canParse(origin) || new URL(origin).host !== host.toLowerCase()
}
