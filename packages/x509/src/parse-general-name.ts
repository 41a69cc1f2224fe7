/**
 * Names as people type them: which kind it is, checked, in the one form that certificates hold.
 *
 * @module
 */
import { X509Error } from './errors.ts'
import type { GeneralName } from './general-name.ts'
import { normaliseHostName } from './host-name.ts'
import { bytesToIp, ipToBytes } from './ip-address.ts'

/**
 * Tells what a text names and normalises it: `API.corp.internal` (host), `10.0.0.1`, `::1` or `[::1]` (address),
 * `ann@example.org` (e-mail), `spiffe://corp/api` (URI).
 *
 * @throws {@link X509Error} `name-invalid`, with what to write instead
 */
export function parseGeneralName(text: string): GeneralName {
  if (typeof text !== 'string') throw new X509Error('name-invalid', 'a name must be a string')
  const trimmed = text.trim()
  const address = ipToBytes(trimmed.replace(/^\[(.*)\]$/, '$1'))
  if (address !== undefined) return { type: 'ip', value: bytesToIp(address) ?? '' }
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(trimmed) || /^urn:/i.test(trimmed)) {
    return { type: 'uri', value: normaliseUri(trimmed) }
  }
  if (trimmed.includes('@')) return { type: 'email', value: normaliseEmail(trimmed) }
  return { type: 'dns', value: normaliseHostName(trimmed) }
}

/**
 * An e-mail address with its host name normalised; the part before the `@` stays (RFC 5280 §4.2.1.6: it may be
 * sensitive to case).
 *
 * @throws {@link X509Error} `name-invalid`
 */
function normaliseEmail(text: string): string {
  const at = text.lastIndexOf('@')
  const local = text.slice(0, at)
  if (!/^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/.test(local)) {
    throw invalid(text, 'no e-mail address', 'write it like ann@example.org')
  }
  if (local.length > 64)
    throw invalid(text, 'no e-mail address', 'at most 64 characters before the @')
  const host = normaliseHostName(text.slice(at + 1))
  if (host.startsWith('*')) throw invalid(text, 'no e-mail address', 'a wildcard names no mailbox')
  return `${local}@${host}`
}

function normaliseUri(text: string): string {
  if (text.length > 2048) throw invalid(text, 'too long for a URI', 'at most 2048 characters')
  if (!/^[\u0021-\u007e]+$/.test(text) || !URL.canParse(text) || /["<>\\^`{|}]/.test(text)) {
    throw invalid(
      text,
      'no URI',
      'write it in ASCII, the host in punycode, other characters as %XX',
    )
  }
  const [, scheme = '', authority, rest = ''] =
    /^([a-z][a-z0-9+.-]*):(?:\/\/([^/?#]*))?(.*)$/i.exec(text) ?? []
  if (authority === undefined) return `${scheme.toLowerCase()}:${rest}`
  if (authority.includes('@'))
    throw invalid(text, 'no URI for a certificate', 'leave user and password out')
  const uri = `${scheme.toLowerCase()}://${authority.toLowerCase()}${rest}`
  if (scheme.toLowerCase() === 'spiffe') checkSpiffeId(uri)
  return uri
}

/** SPIFFE-ID §2: a trust domain and a path, nothing else. */
function checkSpiffeId(uri: string): void {
  const [, domain = '', path = ''] = /^spiffe:\/\/([^/?#]*)(.*)$/.exec(uri) ?? []
  if (!/^[a-z0-9._-]{1,255}$/.test(domain)) {
    throw invalid(
      uri,
      'no SPIFFE ID',
      'the trust domain has lower-case letters, digits, dots, hyphens, underscores',
    )
  }
  const segments = path === '' ? [] : path.slice(1).split('/')
  if (!segments.every((part) => /^[A-Za-z0-9._-]+$/.test(part) && part !== '.' && part !== '..')) {
    throw invalid(
      uri,
      'no SPIFFE ID',
      'path segments have letters, digits, dots, hyphens, underscores',
    )
  }
}

function invalid(text: string, what: string, hint: string): X509Error {
  const shown = text.length > 300 ? `${text.slice(0, 300)}…` : text
  return new X509Error('name-invalid', `${JSON.stringify(shown)} is ${what}`, { hint })
}
