/**
 * Requests forged by a page of another site, told by what only a browser sends and no page can change.
 *
 * @module
 */

/**
 * Whether a browser sends this request for a page that is not ours. `Sec-Fetch-Site` decides where it is present, `Origin` where
 * it is not; with neither it is no browser, and only browsers carry cookies that their user did not choose to send.
 *
 * @param origin - our own origin: `https://host:port`
 */
export function isCrossSite(headers: Headers, origin: string): boolean {
  const site = headers.get('sec-fetch-site')
  if (site !== null) return site !== 'same-origin' && site !== 'none'
  const from = headers.get('origin')
  return from !== null && from !== origin
}

/** Whether a method may change something (RFC 9110 §9.2.1 lists the safe ones). */
export function isUnsafe(method: string): boolean {
  return method !== 'GET' && method !== 'HEAD' && method !== 'OPTIONS'
}
