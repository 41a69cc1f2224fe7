/**
 * The headers in which a proxy tells of its client's certificate (RFC 9440), read strictly: a byte sequence, and a list of them.
 *
 * Not here: whose word counts (`proxied-certificates.ts`).
 *
 * @module
 */
import { Certificate, X509Error } from '@countersign/x509'

/** What a request says; nothing of it is verified. */
export interface ClaimedCertificate {
  readonly leaf: Certificate
  /** What stands between it and a root, without the root. */
  readonly above: readonly Certificate[]
}

/** The texts of both headers. */
export interface ClientCertHeaders {
  readonly certificate: string | null
  readonly chain: string | null
}

/** Takes the headers out of a request; a header that was sent twice arrives as one with a comma. */
export function clientCertHeaders(headers: Headers): ClientCertHeaders {
  return { certificate: headers.get('client-cert'), chain: headers.get('client-cert-chain') }
}

/**
 * Reads them.
 *
 * @returns `undefined` where they are malformed, too long, or hold what is no certificate
 */
export function readClientCert({
  certificate,
  chain,
}: ClientCertHeaders): ClaimedCertificate | undefined {
  if (certificate === null) return undefined
  const leaf = readOne(certificate)
  if (leaf === undefined) return undefined
  if (chain === null) return { leaf, above: [] }
  const parts = chain.split(',', MOST_ABOVE + 1)
  if (parts.length > MOST_ABOVE) return undefined
  const above: Certificate[] = []
  for (const part of parts) {
    const one = readOne(part)
    if (one === undefined) return undefined
    above.push(one)
  }
  return { leaf, above }
}

/** RFC 8941 §3.3.5: base64 between colons, and no parameters; in one spelling only, so that two texts are two certificates. */
function readOne(text: string): Certificate | undefined {
  const [, base64 = ''] = /^[ \t]*:([A-Za-z0-9+/]{4,}={0,2}):[ \t]*$/.exec(text) ?? []
  if (base64 === '' || base64.length > LONGEST) return undefined
  const der = Buffer.from(base64, 'base64')
  // PEM in base64 is a certificate to a lenient reader.
  if (der.toString('base64') !== base64 || der[0] !== SEQUENCE) return undefined
  try {
    return Certificate.parse(new Uint8Array(der), 'Client-Cert')
  } catch (error) {
    if (error instanceof X509Error) return undefined
    throw error
  }
}

/** The first byte of every certificate in DER. */
const SEQUENCE = 0x30
/** As many as a path has at most. */
const MOST_ABOVE = 10
/** Characters of one certificate: 12 KiB of DER, which holds the largest post-quantum ones. */
const LONGEST = 16_384
