/**
 * OCSP stapling: the answers of responders about the server's own certificates, fetched and checked before a client gets one.
 *
 * @see RFC 6066 §8, RFC 6960
 * @module
 */
import { checkOptions } from '@countersign/core'
import type { TlsContext } from '@countersign/tls'
import { ServerError } from './errors.ts'
import { checkedUrl } from './list-url.ts'
import { Staple, type StapleParts } from './staple.ts'

/** How answers are fetched. */
export interface StapleOptions {
  /** The responder. @defaultValue the one that the certificate names */
  url?: string | undefined
  /** How long one attempt may take, as a whole. @defaultValue 5000 */
  timeoutMs?: number | undefined
}

/** The staples of one server, one for each certificate that it shows. */
export class Staples implements AsyncDisposable {
  readonly #parts: Omit<StapleParts, 'certificate' | 'issuer'>
  readonly #staples = new Map<string, Staple>()

  /** @throws CoreError `option-unknown`; {@link ServerError} `option-invalid` */
  constructor(
    options: StapleOptions,
    now: () => number,
    onProblem: (problem: ServerError) => void,
  ) {
    checkOptions(options, ['url', 'timeoutMs'], 'serve: staple')
    const { url, timeoutMs = 5000 } = options
    if (!Number.isInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > 0x7fff_ffff) {
      throw new ServerError('option-invalid', 'staple.timeoutMs must be a whole number from 1', {
        option: 'staple.timeoutMs',
      })
    }
    const responder = url === undefined ? undefined : checkedUrl(url, 'staple.url')
    this.#parts = { responder, timeoutMs, now, onProblem }
  }

  /** What a client gets now about the certificate of a context; nothing where the client chooses among several of them. */
  of({ certificate, moreChains }: TlsContext): Buffer | null {
    // Node asks before OpenSSL has chosen.
    if (certificate === undefined || moreChains.length > 0) return null
    return this.#staples.get(certificate.fingerprint)?.current ?? null
  }

  /** Follows the certificates of these contexts and no other; resolves once each was asked about. */
  async follow(contexts: Iterable<TlsContext>): Promise<void> {
    const gone = new Map(this.#staples)
    const begun: Promise<void>[] = []
    for (const { certificate, chain, moreChains, trust } of contexts) {
      if (certificate === undefined || moreChains.length > 0) continue
      const known = gone.delete(certificate.fingerprint)
      if (known || this.#staples.has(certificate.fingerprint)) continue
      const issuer = [...chain.slice(1), ...trust.findBySubject(certificate.issuer)].find((one) =>
        certificate.issuedBy(one),
      )
      const staple = new Staple({ ...this.#parts, certificate, issuer })
      this.#staples.set(certificate.fingerprint, staple)
      begun.push(staple.refresh())
    }
    for (const [fingerprint, staple] of gone) {
      this.#staples.delete(fingerprint)
      begun.push(staple.close())
    }
    await Promise.all(begun)
  }

  /** Asks about all of them now. */
  async refresh(): Promise<void> {
    await Promise.all([...this.#staples.values()].map(async (one) => one.refresh()))
  }

  async close(): Promise<void> {
    await Promise.all([...this.#staples.values()].map(async (one) => one.close()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
