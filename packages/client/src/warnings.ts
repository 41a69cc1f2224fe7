/**
 * What a session's caller should know although the call went well.
 *
 * @module
 */
import type { CertificateFacts } from '@countersign/tls'

/** Something that will go wrong, or went wrong and was got around. */
export type SessionWarning =
  | {
      /** A source of trust, identity or revocation changed and cannot be used: what was read before is still used. */
      readonly code: 'reload-failed'
      readonly message: string
      readonly cause: unknown
    }
  | {
      /** A server's certificate ends within 14 days. */
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
  readonly #ending = new Set<string>()

  constructor(listener: WarningListener | undefined) {
    this.#listener = listener
  }

  /** Tells of a source that cannot be read again: the listener, or, without one, whoever listens to the process. */
  reloadFailed(message: string, cause: unknown): void {
    if (this.#listener !== undefined) this.#listener({ code: 'reload-failed', message, cause })
    else process.emitWarning(message, { type: 'CountersignTrust' })
  }

  /** Whether somebody wants to know of a certificate, and was not told of it before. */
  wantsEnd(origin: string, fingerprint: string): boolean {
    const key = `${origin} ${fingerprint}`
    if (this.#listener === undefined || this.#ending.has(key)) return false
    if (this.#ending.size >= MOST_REMEMBERED) this.#ending.clear()
    this.#ending.add(key)
    return true
  }

  certificateEnds(origin: string, certificate: CertificateFacts, daysLeft: number): void {
    const days = daysLeft === 1 ? '1 day' : `${daysLeft} days`
    this.#listener?.({
      code: 'certificate-ends',
      message: `the certificate of ${origin} ends in ${days}, on ${certificate.notAfter}`,
      origin,
      certificate,
      daysLeft,
    })
  }
}

const MOST_REMEMBERED = 1024
