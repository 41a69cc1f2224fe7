/**
 * Whether a request is for the site its connection was made to. Where one site asks for certificates and another does not, a client
 * that connects to the second and writes the first in `Host` would otherwise get in without (RFC 9110 §7.4, §15.5.20).
 *
 * @module
 */
import type { IncomingMessage } from 'node:http'
import type { Connection } from './connection.ts'
import type { Refusal } from './refusal.ts'
import type { Sites } from './sites.ts'

/** Whether the request may go on. */
export type HostGuard = (connection: Connection, incoming: IncomingMessage) => boolean

/** The guard of a server; where there is but one site there is nothing to confuse. */
export function hostGuard(sites: Sites | undefined): HostGuard | undefined {
  if (sites === undefined) return undefined
  return (connection, incoming) => {
    const { site } = connection
    // Plain HTTP reaches no site. A reload may change the rest.
    if (site === undefined || !sites.askSomewhere) return true
    if (sites.count === 1 && site === sites.main) return true
    const { headers, url = '' } = incoming
    const host = headers.host ?? ''
    if (
      host === connection.checkedHost &&
      sites.version === connection.checkedVersion &&
      url.startsWith('/')
    ) {
      return true
    }
    if (sites.find(hostOf(host)) !== site) return false
    connection.checkedHost = host
    connection.checkedVersion = sites.version
    // A target in absolute form counts before the header (RFC 9112 §3.2.2).
    const absolute = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(url)?.[1]
    if (absolute === undefined) return true
    const authority = absolute.slice(absolute.lastIndexOf('@') + 1)
    return sites.find(hostOf(authority)) === site
  }
}

/** The host of `host:port`, in lower case. */
function hostOf(authority: string): string {
  const [, bracketed, plain = ''] = /^(?:(\[[^\]]*\])|([^:]*))(?::\d*)?$/.exec(authority) ?? []
  return (bracketed ?? plain).toLowerCase()
}

/** What such a request is told. */
export const MISDIRECTED: Refusal = {
  code: 'misdirected-request',
  message: 'the request is for another host than the connection was made to',
  hint: 'connect again, with the name of that host in the handshake (SNI)',
}
