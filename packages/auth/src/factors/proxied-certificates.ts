/**
 * Who is behind a proxy: the certificate that it tells of in `Client-Cert` (RFC 9440), where its own word counts.
 *
 * It counts from a peer that did mutual TLS itself, with a certificate that is pinned. From everybody else the header is as if it were
 * not there (CVE-2024-10039, CVE-2026-46579). What it tells is verified like the certificate of a connection: path, purpose, validity,
 * lists. That its client held the key is the proxy's word, and the only thing taken on it.
 *
 * @module
 */
import { type Clock, checkOptions, readForwarded, readForwardedForList } from '@countersign/core'
import { type Certificate, type CertificateRevocationList, verifyChain } from '@countersign/x509'
import { AuthError } from '../errors.ts'
import type { OnAuthEvent } from '../events.ts'
import type { AuthPeer } from '../peer.ts'
import { Refusal, type RefusalCode, type Refusals } from '../problems.ts'
import { RecentCache } from '../recent-cache.ts'
import { digest } from '../token.ts'
import { spiffeIdOf } from './certificate-rules.ts'
import { clientCertHeaders, readClientCert } from './client-cert-header.ts'

/** Whose `Client-Cert` counts, and what it is verified against. */
export interface ClientCertFrom {
  /**
   * Certificates of proxies: `sha256:` and 64 hex digits, with or without colons, or a whole SPIFFE ID, which is worth what the
   * authorities are whose certificates the server takes.
   */
  proxies: readonly string[]
  /**
   * The header in which these proxies tell their client's address, each of its own accord: its last entry is the peer's address for
   * limits and logs. A proxy that lets the client's own header through, unwritten, would let everybody choose an address.
   * @defaultValue none: the address stays the proxy's
   */
  addressFrom?: 'forwarded' | 'x-forwarded-for' | undefined
  /** What clients' certificates are verified against; asked again after two seconds. */
  trust: () => ClientCertTrust | Promise<ClientCertTrust>
}

/** What a client's certificate is verified against. */
export interface ClientCertTrust {
  readonly roots: readonly Certificate[]
  /** What may stand between. @defaultValue what the proxy tells in `Client-Cert-Chain` alone */
  readonly intermediates?: readonly Certificate[] | undefined
  /** Lists for the whole chain; where one is missing nobody is let in. @defaultValue nobody asks for revocation */
  readonly crls?: readonly CertificateRevocationList[] | undefined
}

/** What {@link ProxiedCertificates} is made of. */
export interface ProxiedCertificatesParts {
  clock: Clock
  onEvent: OnAuthEvent
  refusals: Refusals
  from: ClientCertFrom
}

/** The other end as the rest of sign-in sees it, or what to answer. */
export type Behind<Peer extends AuthPeer = AuthPeer> = Peer | undefined | Refusal

/** Looks behind proxies. */
export class ProxiedCertificates {
  readonly #parts: ProxiedCertificatesParts
  readonly #fingerprints: ReadonlySet<string>
  readonly #spiffeIds: ReadonlySet<string>
  readonly #cache = new RecentCache<Certificate>()
  /** Peers that were made here: the certificate of one is its client's, whoever that is. */
  readonly #made = new WeakSet<AuthPeer>()

  constructor(parts: ProxiedCertificatesParts) {
    this.#parts = parts
    const { proxies } = parts.from
    this.#spiffeIds = new Set(proxies.filter((pin) => pin.startsWith('spiffe://')))
    this.#fingerprints = new Set(
      proxies.flatMap((pin) => (pin.startsWith('spiffe://') ? [] : [fingerprintOf(pin)])),
    )
  }

  /**
   * The peer of a request; behind a pinned proxy its client, with the certificate that was told of, or with none.
   *
   * @param peer - the connection; behind a proxy that tells of it the address is its client's
   */
  look<Peer extends AuthPeer>(
    request: Request,
    peer: Peer | undefined,
  ): Behind<Peer> | Promise<Behind<Peer>> {
    if (peer?.encrypted !== true || peer.certificate === undefined) return peer
    if (this.#made.has(peer) || !this.#isPinned(peer.certificate)) return peer
    return this.#lookBehind(request, { ...peer, address: this.#addressBehind(request, peer) })
  }

  #lookBehind<Peer extends AuthPeer>(
    request: Request,
    peer: Peer,
  ): Behind<Peer> | Promise<Behind<Peer>> {
    const headers = clientCertHeaders(request.headers)
    const { certificate, chain } = headers
    // The proxy's own certificate is never that of its client.
    if (certificate === null && chain === null) return this.#behind(peer, undefined)
    const key = digest(`${certificate}\n${chain}`)
    const { clock } = this.#parts
    const recent = this.#cache.get(key, clock().getTime())
    if (recent !== undefined) return this.#behind(peer, recent)
    const claimed = readClientCert(headers)
    if (claimed === undefined)
      return this.#refuse('malformed-request', 'client-cert-malformed', peer)
    return this.#verified(key, peer, claimed.leaf, claimed.above)
  }

  async #verified<Peer extends AuthPeer>(
    key: string,
    peer: Peer,
    leaf: Certificate,
    above: readonly Certificate[],
  ): Promise<Behind<Peer>> {
    const { clock, from, onEvent, refusals } = this.#parts
    const { generation } = this.#cache
    let trust: ClientCertTrust
    try {
      trust = await from.trust()
    } catch (error) {
      const { address } = peer
      onEvent({
        type: 'sys_store_unavailable',
        time: clock(),
        reason: 'client-cert',
        address,
        error,
      })
      return refusals.of('store-unavailable', { retryAfterSeconds: 1 })
    }
    const { roots, intermediates = [], crls } = trust
    const time = clock()
    const verdict = verifyChain({
      leaf,
      intermediates: [...intermediates, ...above],
      roots,
      purpose: 'client',
      time,
      ...(crls === undefined ? {} : { crls, revocation: 'chain' }),
    })
    if (!verdict.ok) {
      return this.#refuse('credentials-invalid', `client-cert-${verdict.code}`, peer)
    }
    const ends = Math.min(...verdict.chain.map(({ notAfter }) => notAfter.getTime() + 1000))
    this.#cache.put(key, leaf, time.getTime(), generation, ends)
    return this.#behind(peer, leaf)
  }

  /** The last entry, which the proxy wrote itself; what stands before it may be anybody's. */
  #addressBehind({ headers }: Request, { address }: AuthPeer): string | undefined {
    const { addressFrom } = this.#parts.from
    if (addressFrom === undefined) return address
    const text = headers.get(addressFrom) ?? ''
    const told =
      addressFrom === 'forwarded' ? readForwarded(text).addresses : readForwardedForList(text)
    return told.at(-1) ?? address
  }

  #isPinned(certificate: Certificate): boolean {
    if (this.#fingerprints.has(certificate.fingerprint)) return true
    if (this.#spiffeIds.size === 0) return false
    const id = spiffeIdOf(certificate)
    return id !== undefined && this.#spiffeIds.has(id)
  }

  #behind<Peer extends AuthPeer>(proxy: Peer, certificate: Certificate | undefined): Peer {
    const peer = { ...proxy, certificate }
    this.#made.add(peer)
    return peer
  }

  #refuse(code: RefusalCode, reason: string, { address }: AuthPeer): Refusal {
    const { clock, onEvent, refusals } = this.#parts
    const type = code === 'credentials-invalid' ? 'authn_token_invalid' : 'authz_fail'
    onEvent({ type, time: clock(), reason, address })
    return refusals.of(code)
  }
}

/**
 * Checks the option.
 *
 * @throws {@link AuthError} `option-invalid`; CoreError `option-unknown`
 */
export function readClientCertFrom(given: ClientCertFrom | undefined): ClientCertFrom | undefined {
  if (given === undefined) return undefined
  checkOptions(given, ['proxies', 'addressFrom', 'trust'], 'createAuth: clientCertFrom')
  if (!Array.isArray(given.proxies) || given.proxies.length === 0) {
    throw invalid('proxies must name one certificate or more', 'leave clientCertFrom out for none')
  }
  for (const pin of given.proxies) {
    if (pin.startsWith('spiffe://') ? !WHOLE_SPIFFE_ID.test(pin) : fingerprintOf(pin) === '') {
      throw invalid(`${JSON.stringify(pin)} is neither a fingerprint nor a SPIFFE ID`, PIN_HINT)
    }
  }
  if (![undefined, 'forwarded', 'x-forwarded-for'].includes(given.addressFrom)) {
    throw invalid(
      "addressFrom must be 'forwarded' or 'x-forwarded-for'",
      'name the header that the proxies write themselves, or leave it out',
    )
  }
  if (typeof given.trust === 'function') return given
  throw invalid('trust must be a function', 'answer { roots } with what clients are verified by')
}

/** Lower-case hex, or nothing where it is no fingerprint. */
function fingerprintOf(pin: string): string {
  const [, hex = ''] = /^sha256:([0-9A-Fa-f:]+)$/.exec(pin) ?? []
  const digits = hex.replaceAll(':', '').toLowerCase()
  return digits.length === 64 ? digits : ''
}

function invalid(fault: string, hint: string): AuthError {
  return new AuthError('option-invalid', `createAuth: clientCertFrom: ${fault}`, { hint })
}

const WHOLE_SPIFFE_ID = /^spiffe:\/\/[a-z0-9._-]{1,255}(?:\/[A-Za-z0-9._-]+)+$/
const PIN_HINT =
  "write 'sha256:' and the 64 hex digits that countersign show FILE prints, or spiffe://DOMAIN/NAME"
