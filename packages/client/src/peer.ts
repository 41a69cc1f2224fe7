/**
 * Who answered: the facts of one connection, shared by every response that came over it.
 *
 * @module
 */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { certificateFacts, certificateTitle } from '@countersign/tls'
import { Certificate, X509Error } from '@countersign/x509'

/** What a connection knows of the other end. */
export interface PeerFacts {
  readonly verified: boolean
  /** DER, leaf first. */
  readonly chain: readonly Uint8Array[]
  /** The host that was connected to. */
  readonly host: string
}

/** The other end of a connection. */
export class Peer {
  readonly address: string | undefined
  readonly port: number | undefined
  /** Whether the certificate was verified, by its chain or its pin; `false` over plain HTTP and with `verify: false`. */
  readonly verified: boolean
  /** The name or address that was asked for; with `verified` it is the one that was verified, unless a pin stood for it. */
  readonly host: string
  readonly http: '1.1' | '2'
  /** `TLSv1.3`; `undefined` over plain HTTP. */
  readonly protocol: string | undefined
  /** The cipher suite by its standard name: `TLS_AES_256_GCM_SHA384`. */
  readonly cipher: string | undefined
  /** The key exchange: `X25519MLKEM768`. */
  readonly group: string | undefined
  /** Whether the handshake resumed an earlier one. */
  readonly resumed: boolean
  readonly #der: readonly Uint8Array[]
  #chain: readonly Certificate[] | undefined

  constructor(socket: Socket, { verified, chain, host }: PeerFacts) {
    this.address = socket.remoteAddress
    this.port = socket.remotePort
    this.host = host
    const secured = socket instanceof TLSSocket ? socket : undefined
    this.verified = secured !== undefined && verified
    this.http = secured?.alpnProtocol === 'h2' ? '2' : '1.1'
    this.protocol = secured?.getProtocol() ?? undefined
    this.cipher = secured?.getCipher().standardName
    this.group = secured === undefined ? undefined : groupOf(secured)
    this.resumed = secured?.isSessionReused() ?? false
    this.#der = chain
  }

  /** The server's certificate; read `verified` before believing it. */
  get certificate(): Certificate | undefined {
    return this.chain[0]
  }

  /** What the server presented, leaf first, with the trusted certificate it ends at; read `verified` before believing it. */
  get chain(): readonly Certificate[] {
    this.#chain ??= readableChain(this.#der)
    return this.#chain
  }

  /** The certificate in words: its subject, or its first name. */
  get name(): string | undefined {
    return this.certificate === undefined ? undefined : certificateTitle(this.certificate)
  }

  /** Whole days until the first certificate of the chain ends; negative where one has ended. */
  get daysLeft(): number | undefined {
    if (this.chain.length === 0) return undefined
    const ends = this.chain.map(({ notAfter }) => notAfter.getTime())
    return Math.floor((Math.min(...ends) - Date.now()) / DAY_MS)
  }
}

/** The certificates of a chain; it ends before one that OpenSSL takes and RFC 5280 does not. */
export function readableChain(chain: readonly Uint8Array[]): Certificate[] {
  const certificates: Certificate[] = []
  for (const der of chain) {
    try {
      const certificate = Certificate.parse(der, 'the certificate of the server')
      // Read whole, so that no later look at its names can throw.
      certificateFacts(certificate)
      certificates.push(certificate)
    } catch (error) {
      if (error instanceof X509Error) break
      throw error
    }
  }
  return certificates
}

function groupOf(socket: TLSSocket): string | undefined {
  // Without a key exchange of its own, a resumed handshake of TLS 1.2, there is nothing to tell.
  const info: unknown = socket.getEphemeralKeyInfo()
  if (typeof info !== 'object' || info === null || !('name' in info)) return undefined
  return typeof info.name === 'string' ? info.name : undefined
}

const DAY_MS = 86_400_000
