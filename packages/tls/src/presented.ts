/**
 * Certificates that the other side presented: bytes of a stranger, read with care.
 *
 * @module
 */
import type { PeerCertificate } from 'node:tls'
import { Certificate, X509Error } from '@countersign/x509'
import { TlsError } from './errors.ts'

/**
 * Reads a certificate of a peer whole, so that no later look at its names can throw.
 *
 * @throws {@link TlsError} `rejected-by-policy` where OpenSSL takes it, but RFC 5280 does not
 */
export function readPresented(der: Uint8Array): Certificate {
  try {
    const certificate = Certificate.parse(der, 'the certificate of the other side')
    certificate.subject.toString()
    certificate.issuer.toString()
    void certificate.subjectAltNames
    return certificate
  } catch (error) {
    if (!(error instanceof X509Error)) throw error
    throw new TlsError('rejected-by-policy', error.message, {
      cause: error,
      hint: 'issue it again with a program that writes valid DER: countersign issue NAME',
    })
  }
}

/** Node's linked list as certificates, leaf first; the last one links to itself. It ends before one that cannot be read. */
export function presentedChain(presented: PeerCertificate): Certificate[] {
  const chain: Certificate[] = []
  let next: unknown = presented
  while (chain.length < LONGEST_CHAIN && isRaw(next)) {
    try {
      const certificate = readPresented(next.raw)
      if (chain.some((one) => one.equals(certificate))) break
      chain.push(certificate)
    } catch (error) {
      if (error instanceof TlsError) break
      throw error
    }
    next = next.issuerCertificate
  }
  return chain
}

function isRaw(value: unknown): value is { raw: Uint8Array; issuerCertificate?: unknown } {
  return (
    typeof value === 'object' && value !== null && 'raw' in value && value.raw instanceof Uint8Array
  )
}

const LONGEST_CHAIN = 32
