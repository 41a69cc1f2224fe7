/**
 * What is to be explained, as people name it.
 *
 * @module
 */
import { isIP } from 'node:net'
import { checkedHost, checkedPort } from '../connect.ts'
import { TlsError } from '../errors.ts'
import { plainText } from './plain-text.ts'

/** Where to: `https://HOST[:PORT]/…`, `HOST:PORT`, `HOST`, or both apart. */
export type ExplainTarget = string | { host: string; port: number }

/**
 * @throws {@link TlsError} `option-invalid`
 */
export function parseTarget(target: ExplainTarget): { host: string; port: number } {
  if (typeof target !== 'string') {
    return { host: checkedHost(target.host), port: checkedPort(target.port) }
  }
  const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(target) ? target : `https://${bracketed(target)}`
  if (!URL.canParse(url)) {
    throw new TlsError('option-invalid', `"${plainText(target)}" is neither a URL nor HOST:PORT`, {
      source: 'target',
      hint: 'write https://api.corp.internal:8443, api.corp.internal:8443 or [::1]:8443',
    })
  }
  const { hostname, port, protocol } = new URL(url)
  const standard = protocol === 'http:' ? 80 : 443
  return { host: checkedHost(hostname), port: checkedPort(port === '' ? standard : Number(port)) }
}

/** An IPv6 address alone. */
function bracketed(target: string): string {
  return isIP(target) === 6 ? `[${target}]` : target
}
