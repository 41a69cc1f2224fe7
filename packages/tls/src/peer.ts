/**
 * Who is at the other end, by certificate; read when asked for.
 *
 * @module
 */
import type { TLSSocket } from 'node:tls'
import type { Certificate } from '@countersign/x509'
import { presentedChain, readPresented } from './presented.ts'
import type { TrustStore } from './trust-store.ts'

/** The identity at the other end of a connection. */
export interface TlsPeer {
  /** Its certificate; only ever one that was verified. */
  readonly certificate: Certificate | undefined
  /** From its certificate to the trust anchor, as far as they are known; empty where none was verified. */
  readonly chain: readonly Certificate[]
  /** Whether it proved a certificate that we trust. */
  readonly verified: boolean
}

/**
 * Reads the identity of a connection whose handshake is done.
 *
 * @param trust - what the chain was verified against
 * @throws {@link TlsError} `rejected-by-policy` where the certificate cannot be read
 */
export function peerOf(socket: TLSSocket, trust: TrustStore): TlsPeer {
  return new VerifiedPeer(socket, trust)
}

class VerifiedPeer implements TlsPeer {
  readonly #socket: TLSSocket
  readonly #trust: TrustStore
  readonly #leaf: Certificate | undefined
  #chain: readonly Certificate[] | undefined

  constructor(socket: TLSSocket, trust: TrustStore) {
    this.#socket = socket
    this.#trust = trust
    this.#leaf = verifiedLeaf(socket)
  }

  get certificate(): Certificate | undefined {
    return this.#leaf
  }

  get verified(): boolean {
    return this.#leaf !== undefined
  }

  get chain(): readonly Certificate[] {
    this.#chain ??= this.#buildChain()
    return this.#chain
  }

  #buildChain(): Certificate[] {
    if (this.#leaf === undefined) return []
    const presented = presentedChain(this.#socket.getPeerCertificate(true))
    // Node 24 forgets the client's intermediates on the server's side; what the store holds is put back.
    return completed(presented.length === 0 ? [this.#leaf] : presented, this.#trust)
  }
}

/** `authorized` alone is not proof: it was true for connections that had no certificate at all. */
function verifiedLeaf(socket: TLSSocket): Certificate | undefined {
  if (!socket.authorized) return undefined
  const raw = socket.getPeerX509Certificate()?.raw
  if (raw === undefined || raw.length === 0) return undefined
  const leaf = readPresented(raw)
  // A resumed session keeps the verdict of its first handshake, also after the certificate has ended.
  return leaf.isValidAt(new Date()) ? leaf : undefined
}

function completed(chain: readonly Certificate[], trust: TrustStore): Certificate[] {
  const whole = [...chain]
  while (whole.length < LONGEST_CHAIN) {
    const top = whole.at(-1)
    if (top === undefined || top.isSelfIssued) break
    const issuer = trust.findBySubject(top.issuer).find((candidate) => top.issuedBy(candidate))
    if (issuer === undefined) break
    whole.push(issuer)
  }
  return whole
}

const LONGEST_CHAIN = 32
