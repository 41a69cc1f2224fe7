/**
 * Certificates that the other side presented: bytes of a stranger, read with care.
 *
 * @module
 */
import type { PeerCertificate, TLSSocket } from 'node:tls'
import { Certificate, X509Error } from '@countersign/x509'
import { TlsError } from './errors.ts'

/**
 * Remembers the chain that a server presents, as DER, leaf first.
 *
 * When verification fails Node destroys the socket in the same turn, and by the `error` event the chain is gone. So it is
 * fetched at the moment of `destroy`, with verification on and at no cost while nothing fails: `getPeerCertificate(true)`
 * takes as long as a fifth of a handshake. Not getPeerX509Certificate(): before Node has verified the name, it makes Node 24
 * refuse good certificates.
 *
 * @param socket - of `tls.connect`, before its handshake is done
 */
export class PresentedChain {
  #chain: readonly Uint8Array[] = []

  constructor(socket: TLSSocket) {
    const destroy = socket.destroy.bind(socket)
    socket.destroy = (error) => {
      if (this.#chain.length === 0) this.keep(socket.getPeerCertificate(true))
      return destroy(error)
    }
    socket.once('secureConnect', () => Reflect.deleteProperty(socket, 'destroy'))
  }

  /** Takes what Node hands to `checkServerIdentity`. */
  keep(presented: PeerCertificate | null): void {
    this.#chain = derChain(presented)
  }

  /** The chain; empty where the handshake did not get that far. */
  get der(): readonly Uint8Array[] {
    return this.#chain
  }
}

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

/** The certificates of a chain; it ends before one that cannot be read. */
export function readPresentedChain(chain: readonly Uint8Array[]): Certificate[] {
  const certificates: Certificate[] = []
  for (const der of chain) {
    try {
      certificates.push(readPresented(der))
    } catch (error) {
      if (error instanceof TlsError) break
      throw error
    }
  }
  return certificates
}

/** Node's linked list as DER; the last one links to itself. */
function derChain(presented: PeerCertificate | null): Uint8Array[] {
  const chain: Uint8Array[] = []
  const seen = new Set<unknown>()
  let next: unknown = presented
  while (chain.length < LONGEST_CHAIN && isRaw(next) && !seen.has(next)) {
    seen.add(next)
    chain.push(next.raw)
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
