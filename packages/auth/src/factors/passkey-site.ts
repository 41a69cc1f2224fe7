/**
 * Where a passkey is used, as the client of a request sees it.
 *
 * @module
 */
import { peerOf } from '../guard.ts'
import type { RouteContext } from '../route-parts.ts'
import type { PasskeySite } from './passkeys.ts'

/** Our own origin and its host name. */
export function siteOf(c: RouteContext): PasskeySite {
  const url = new URL(c.req.url)
  if (peerOf(c)?.encrypted === true) url.protocol = 'https:'
  return { origin: url.origin, rpId: url.hostname }
}
