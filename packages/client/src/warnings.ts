/**
 * What a session's caller should know although the call went well.
 *
 * @module
 */
import { channel } from 'node:diagnostics_channel'
import { type CertificateFacts, certificateFacts, certificateTitle } from '@countersign/tls'
import type { Peer } from './peer.ts'

/** Something that will go wrong, or went wrong and was got around. */
export type SessionWarning =
  | {
      /** A source of trust, identity or revocation changed and cannot be used: what was read before is still used. */
      readonly code: 'reload-failed'
      readonly message: string
      readonly cause: unknown
    }
  | {
      /** A certificate of a server's chain ends within 14 days. */
      readonly code: 'certificate-ends'
      readonly message: string
      readonly origin: string
      readonly certificate: CertificateFacts
      readonly daysLeft: number
    }

/** Gets a warning. What it throws comes out of the call. */
export type WarningListener = (warning: SessionWarning) => void

/** The warnings of one session. */
export class SessionWarnings {
  readonly #listener: WarningListener | undefined
  readonly #seen = new WeakSet<Peer>()
  readonly #told = new Set<string>()

  constructor(listener: WarningListener | undefined) {
    this.#listener = listener
  }

  /** Tells of a source that cannot be read again: the listener, or, without one, whoever listens to the process. */
  reloadFailed(message: string, cause: unknown): void {
    const isHeard = this.#tell({ code: 'reload-failed', message, cause })
    if (!isHeard) process.emitWarning(message, { type: 'CountersignTrust' })
  }

  /** Tells of a certificate that ends soon, of the server or one of its issuers: once for every origin and certificate. */
  answered(origin: string, peer: Peer): void {
    if (this.#listener === undefined && !heard.hasSubscribers) return
    if (!peer.verified || this.#seen.has(peer)) return
    this.#seen.add(peer)
    for (const certificate of peer.chain) {
      const daysLeft = Math.floor((certificate.notAfter.getTime() - Date.now()) / DAY_MS)
      const key = `${origin} ${certificate.fingerprint}`
      if (daysLeft >= SOON_DAYS || this.#told.has(key)) continue
      if (this.#told.size >= MOST_REMEMBERED) this.#told.clear()
      this.#told.add(key)
      const facts = certificateFacts(certificate)
      this.#tell({
        code: 'certificate-ends',
        message: `${origin}: the certificate ${certificateTitle(certificate)} ends on ${facts.notAfter}, in ${counted(daysLeft)}`,
        origin,
        certificate: facts,
        daysLeft,
      })
    }
  }

  /** @returns whether the session has a listener */
  #tell(warning: SessionWarning): boolean {
    if (heard.hasSubscribers) heard.publish(warning)
    this.#listener?.(warning)
    return this.#listener !== undefined
  }
}

function counted(days: number): string {
  if (days < 1) return 'less than a day'
  return days === 1 ? '1 day' : `${days} days`
}

/** Whoever listens to the process instead of one session; the payload is a {@link SessionWarning}. */
const heard = channel('countersign:client:warning')

const SOON_DAYS = 14
const DAY_MS = 86_400_000
const MOST_REMEMBERED = 1024
