/**
 * Who is at the other end, by certificate.
 *
 * @module
 */
import type { TLSSocket } from 'node:tls'
import type { Certificate } from '@countersign/x509'
import { readPresented, readPresentedChain } from './presented.ts'
import type { TrustStore } from './trust-store.ts'

/** The identity at the other end of a connection. */
export interface TlsPeer {
  /** Its certificate; only ever one that was verified. */
  readonly certificate: Certificate | undefined
  /** From its certificate towards the trust anchor, as far as it is known; empty where none was verified. */
  readonly chain: readonly Certificate[]
  /** Whether it proved a certificate that we trust. */
  readonly verified: boolean
}

/**
 * The identity of a server whose handshake is done.
 *
 * @param chain - DER of what it presented, leaf first
 * @param trust - what the chain was verified against
 * @throws {@link TlsError} `rejected-by-policy` where the certificate cannot be read
 */
export function serverPeer(
  socket: TLSSocket,
  chain: readonly Uint8Array[],
  trust: TrustStore,
): TlsPeer {
  const [leaf, ...above] = chain
  return new Peer(socket.authorized && leaf !== undefined ? current(leaf) : undefined, above, trust)
}

/**
 * The identity of a client whose handshake is done. Node 24 forgets its intermediates; those in the store are put back.
 *
 * @throws {@link TlsError} `rejected-by-policy` where the certificate cannot be read
 */
export function clientPeer(socket: TLSSocket, trust: TrustStore): TlsPeer {
  // `authorized` alone is not proof: it was true for connections that had no certificate at all.
  const der = socket.authorized ? socket.getPeerX509Certificate()?.raw : undefined
  return new Peer(der === undefined || der.length === 0 ? undefined : current(der), [], trust)
}

class Peer implements TlsPeer {
  readonly certificate: Certificate | undefined
  readonly #above: readonly Uint8Array[]
  readonly #trust: TrustStore
  #chain: readonly Certificate[] | undefined

  constructor(
    certificate: Certificate | undefined,
    above: readonly Uint8Array[],
    trust: TrustStore,
  ) {
    this.certificate = certificate
    this.#above = above
    this.#trust = trust
  }

  get verified(): boolean {
    return this.certificate !== undefined
  }

  get chain(): readonly Certificate[] {
    this.#chain ??=
      this.certificate === undefined
        ? []
        : completed([this.certificate, ...readPresentedChain(this.#above)], this.#trust)
    return this.#chain
  }
}

/** A resumed session keeps the verdict of its first handshake, also after the certificate has ended. */
function current(der: Uint8Array): Certificate | undefined {
  const certificate = readPresented(der)
  return certificate.isValidAt(new Date()) ? certificate : undefined
}

function completed(chain: readonly Certificate[], trust: TrustStore): Certificate[] {
  const whole = [...chain]
  while (whole.length < LONGEST_CHAIN) {
    const top = whole.at(-1)
    if (top === undefined || top.isSelfIssued || trust.has(top.fingerprint)) break
    const issuer = trust.findBySubject(top.issuer).find((candidate) => top.issuedBy(candidate))
    if (issuer === undefined) break
    whole.push(issuer)
  }
  return whole
}

const LONGEST_CHAIN = 32
