/**
 * The client's certificate, told to the upstream by `Client-Cert` and `Client-Cert-Chain` (RFC 9440): the one that this server has
 * verified, or what a proxy says whose own certificate is pinned. Nobody else's word counts.
 *
 * @module
 */
import type { IncomingMessage } from 'node:http'
import { type Certificate, verifyChain } from '@countersign/x509'
import { connectionOf } from '../connection.ts'
import { ServerError } from '../errors.ts'
import type { Peer } from '../peer.ts'
import type { RequestHead } from './request-head.ts'

/** Writes the headers. */
export class ClientCertificates {
  readonly #pinned: ReadonlySet<string>
  /** A client sends many requests with one certificate. */
  readonly #known = new WeakMap<Certificate, readonly string[]>()

  /**
   * @param pinned - `sha256:` and 64 hex digits, with or without colons
   * @throws {@link ServerError} `option-invalid`
   */
  constructor(pinned: readonly string[]) {
    this.#pinned = new Set(pinned.map(readPin))
  }

  /** Adds what the upstream is told of the client's certificate; nothing where there is none. */
  write(headers: string[], incoming: IncomingMessage, peer: Peer, head: RequestHead): void {
    const { certificate } = peer
    if (certificate === undefined) return
    if (this.#pinned.has(certificate.fingerprint.replaceAll(':', '').toLowerCase())) {
      // Its own certificate is not that of the client it speaks for.
      copyClaims(headers, head)
      return
    }
    let written = this.#known.get(certificate)
    if (written === undefined) {
      written = headersOf(certificate, incoming)
      this.#known.set(certificate, written)
    }
    headers.push(...written)
  }
}

function headersOf(certificate: Certificate, incoming: IncomingMessage): string[] {
  const headers = ['Client-Cert', byteSequence(certificate.der)]
  const chain = chainAbove(certificate, incoming)
  if (chain.length > 0) {
    headers.push('Client-Cert-Chain', chain.map(({ der }) => byteSequence(der)).join(', '))
  }
  return headers
}

/** What stands between the certificate and the root that is trusted, as far as it is known here; the root itself is left out. */
function chainAbove(certificate: Certificate, incoming: IncomingMessage): Certificate[] {
  const context = connectionOf(incoming.socket)?.site?.terms.context
  if (context === undefined) return []
  const verdict = verifyChain({
    leaf: certificate,
    intermediates: [...context.chain.slice(1), ...context.trust.certificates],
    roots: context.trust.anchors,
    purpose: 'client',
    // Whether it is good was decided before; a verdict is wanted here for its path alone.
    profile: 'openssl',
  })
  if (!verdict.ok) return []
  return verdict.chain.slice(1).filter((one) => !one.isSelfIssued)
}

/** RFC 8941 §3.3.5. */
function byteSequence(der: Uint8Array): string {
  return `:${Buffer.from(der).toString('base64')}:`
}

function copyClaims(headers: string[], { claims }: RequestHead): void {
  const certificate = claims.get('client-cert')
  if (certificate === undefined || !BYTE_SEQUENCE.test(certificate)) return
  headers.push('Client-Cert', certificate)
  const chain = claims.get('client-cert-chain')
  if (chain !== undefined && chain.split(',').every((one) => BYTE_SEQUENCE.test(one.trim()))) {
    headers.push('Client-Cert-Chain', chain)
  }
}

function readPin(text: string): string {
  const [, hex = ''] = /^sha256:([0-9A-Fa-f:]+)$/.exec(text) ?? []
  const digest = hex.replaceAll(':', '').toLowerCase()
  if (digest.length === 64) return digest
  throw new ServerError(
    'option-invalid',
    `trustClientCertFrom: ${JSON.stringify(text)} is no fingerprint`,
    {
      option: 'trustClientCertFrom',
      hint: "write 'sha256:' and the 64 hex digits that countersign show FILE prints",
    },
  )
}

const BYTE_SEQUENCE = /^:[A-Za-z0-9+/]+={0,2}:$/
