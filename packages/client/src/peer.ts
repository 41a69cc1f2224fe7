/**
 * Who answered: the facts of one connection, shared by every response that came over it.
 *
 * @module
 */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { Certificate } from '@countersign/x509'

/** The other end of a connection. */
export class Peer {
  readonly address: string | undefined
  readonly port: number | undefined
  /** `TLSv1.3`; `undefined` over plain HTTP. */
  readonly protocol: string | undefined
  /** The cipher suite by its standard name: `TLS_AES_256_GCM_SHA384`. */
  readonly cipher: string | undefined
  /** Whether the certificate was verified; `false` over plain HTTP and with `verify: false`. */
  readonly verified: boolean
  readonly #der: Uint8Array | undefined
  #certificate: Certificate | undefined

  constructor(socket: Socket, verified: boolean, der: Uint8Array | undefined) {
    this.address = socket.remoteAddress
    this.port = socket.remotePort
    const encrypted = socket instanceof TLSSocket
    this.protocol = encrypted ? (socket.getProtocol() ?? undefined) : undefined
    this.cipher = encrypted ? socket.getCipher().standardName : undefined
    this.verified = encrypted && verified
    this.#der = der
  }

  /** The server's certificate; read `verified` before believing it. */
  get certificate(): Certificate | undefined {
    if (this.#der === undefined) return undefined
    this.#certificate ??= Certificate.parse(this.#der, 'the certificate of the server')
    return this.#certificate
  }
}
