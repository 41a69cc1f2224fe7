/**
 * Does a certificate speak for a host? RFC 9525, strictly: subject alternative names only, never the common name.
 *
 * Node falls back to the common name, and lets `ba*.example.com` match; both are refused here.
 *
 * @module
 */
import { isIP } from 'node:net'
import type { PeerCertificate } from 'node:tls'
import { domainToASCII } from 'node:url'
import { Certificate, printGeneralName, X509Error } from '@countersign/x509'
import { TlsError } from './errors.ts'
import { hintOf } from './reasons.ts'

/**
 * Checks that a certificate speaks for a host; fits Node's `checkServerIdentity`.
 *
 * @param host - a DNS name or an IP address; brackets and a trailing dot are dropped
 * @param certificate - ours, or what Node hands to `checkServerIdentity`
 * @returns `undefined` where it does, else a {@link TlsError} `name-mismatch` with the names it holds; returned, not thrown
 */
export function checkServerName(
  host: string,
  certificate: Certificate | PeerCertificate,
): TlsError | undefined {
  const name = normalHost(host)
  try {
    const parsed =
      certificate instanceof Certificate ? certificate : Certificate.parse(certificate.raw)
    if (parsed.matchesName(isIP(name) === 0 ? { dns: name } : { ip: name })) return undefined
    return mismatch(name, parsed)
  } catch (error) {
    // Whatever a peer sends, it must not become an exception in Node's callback.
    if (!(error instanceof X509Error)) throw error
    return new TlsError('rejected-by-policy', `the certificate cannot be read: ${error.message}`, {
      host: name,
      cause: error,
    })
  }
}

function mismatch(name: string, certificate: Certificate): TlsError {
  const names = describeNames(certificate)
  return new TlsError(
    'name-mismatch',
    names.length === 0
      ? `the certificate of ${name} holds no subject alternative name; its common name is not looked at (RFC 9525)`
      : `the certificate is not for ${name}, but for ${listed(names)}`,
    {
      nodeCode: 'ERR_TLS_CERT_ALTNAME_INVALID',
      host: name,
      hint: nameHint(name, certificate),
    },
  )
}

/** A host as it is compared and sent: without brackets, without the dot at its end, lower case, ASCII. */
export function normalHost(host: string): string {
  const bare = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
  const dotless = bare.length > 1 && bare.endsWith('.') ? bare.slice(0, -1) : bare
  // RFC 6066 §3: A-labels on the wire. The URL of Node's answers '' for what is no name.
  return NOT_ASCII.test(dotless) ? domainToASCII(dotless) || dotless : dotless.toLowerCase()
}

/** The name that must stand in the certificate. */
export function verifiedName(host: string, serverName?: string): string {
  return normalHost(serverName === undefined || serverName === '' ? host : serverName)
}

/** The name that is sent in the ClientHello; empty for an address, which may not stand there (RFC 6066 §3). */
export function sniName(name: string): string {
  return isIP(name) === 0 ? name : ''
}

/** The subject alternative names as people read them: `DNS:api.corp.internal`, `IP:10.0.0.1`. */
export function describeNames(certificate: Certificate): string[] {
  return certificate.subjectAltNames.map((name) => printGeneralName(name))
}

/** The nearest miss, where there is one. */
function nameHint(name: string, certificate: Certificate): string {
  const { dnsNames } = certificate
  if (isIP(name) !== 0 && dnsNames.includes(name)) {
    return `the address stands in the certificate as a DNS name, where no client looks: issue it again with ${name} as an IP address`
  }
  const wide = dnsNames.find(
    (pattern) => pattern.startsWith('*.') && name.endsWith(pattern.slice(1)),
  )
  if (wide !== undefined) {
    return `${wide} covers one label only: issue the certificate again with ${name} added`
  }
  if (certificate.subjectAltNames.length === 0) {
    return `issue the certificate again with ${name} as a subject alternative name`
  }
  return hintOf('name-mismatch')
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, LONGEST_LIST).join(', ')
  return names.length > LONGEST_LIST ? `${shown} and ${names.length - LONGEST_LIST} more` : shown
}

const LONGEST_LIST = 8
const NOT_ASCII = /[^\0-\x7f]/
