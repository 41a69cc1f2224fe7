/**
 * The OCSP answer about one certificate of ours: asked for in time, served only where it would convince a client.
 *
 * @module
 */
import { createDefaultContext, type TlsContext } from '@countersign/tls'
import { type Certificate, OcspRequest, verifyOcsp, X509Error } from '@countersign/x509'
import { boundedRequest } from './bounded-request.ts'
import { ServerError, type ServerErrorCode } from './errors.ts'
import { halfLife, Upkeep, type UpkeepResult } from './upkeep.ts'

/** What a staple works with. */
export interface StapleParts {
  readonly certificate: Certificate
  /** `undefined` where nobody here has it. */
  readonly issuer: Certificate | undefined
  /** Instead of the one that the certificate names. */
  readonly responder: URL | undefined
  readonly timeoutMs: number
  readonly now: () => number
  /** Something is wrong, told once for each fault. */
  readonly onProblem: (problem: ServerError) => void
}

/** One staple. */
export class Staple {
  readonly #parts: StapleParts
  readonly #upkeep: Upkeep
  #answer: { readonly der: Buffer; readonly until: number } | undefined
  /** When the responder last said that it is revoked (milliseconds); answers of before do not count any more. */
  #revokedAt = Number.NEGATIVE_INFINITY
  #told: string | undefined
  #context: TlsContext | undefined

  constructor(parts: StapleParts) {
    this.#parts = parts
    this.#upkeep = new Upkeep((signal) => this.#refresh(signal), parts.now)
  }

  /** The last good answer, until the next was due. */
  get current(): Buffer | undefined {
    const answer = this.#answer
    return answer !== undefined && this.#parts.now() <= answer.until ? answer.der : undefined
  }

  /** Asks now. */
  async refresh(): Promise<void> {
    await this.#upkeep.run()
  }

  async close(): Promise<void> {
    await this.#upkeep.close()
  }

  async #refresh(signal: AbortSignal): Promise<UpkeepResult> {
    const { certificate, issuer, timeoutMs, now } = this.#parts
    const url = this.#parts.responder ?? responderOf(certificate)
    if (issuer === undefined || url === undefined) {
      return this.#fail(
        'staple-unavailable',
        issuer === undefined
          ? 'no OCSP answer is stapled: the issuer of the certificate is not in its chain'
          : 'no OCSP answer is stapled: the certificate names no responder over http',
      )
    }
    const request = OcspRequest.build({
      about: [{ certificate, issuer }],
      // One that is served to many answers nobody's nonce.
      nonce: false,
    })
    const answer = await boundedRequest({
      url,
      body: request.der,
      headers: { 'content-type': 'application/ocsp-request' },
      mostBytes: MOST_BYTES,
      timeoutMs,
      signal,
      context: () => (this.#context ??= createDefaultContext()),
    })
    if (signal.aborted) return FAILED
    if (answer.kind !== 'body') {
      const why = answer.kind === 'failed' ? answer.problem : 'answered 304'
      return this.#fail('staple-unavailable', `no OCSP answer of ${url.href}: ${why}`)
    }
    const der = Buffer.from(answer.body)
    const judged = judge(der, certificate, issuer, now())
    const fault = typeof judged === 'string' ? judged : this.#weigh(judged)
    if (typeof judged === 'string' || fault !== undefined) {
      return this.#fail('staple-refused', `the OCSP answer of ${url.href} ${fault}`)
    }
    this.#answer = { der, until: judged.until }
    this.#told = undefined
    return { ok: true, dueAt: halfLife(judged.made, judged.until, now()) }
  }

  /** @returns what is wrong with an answer that is genuine */
  #weigh({ made, isRevoked }: Judged): string | undefined {
    if (isRevoked) {
      // Who is revoked must not go on with the answer of before.
      this.#answer = undefined
      this.#revokedAt = Math.max(this.#revokedAt, made)
      return 'says that the certificate is revoked'
    }
    return made >= this.#revokedAt ? undefined : 'was made before the certificate was revoked'
  }

  #fail(code: ServerErrorCode, message: string): UpkeepResult {
    // An answer that is made anew each time, and out of date each time, is one fault.
    const fault = message.replaceAll(TIMES, '')
    if (fault !== this.#told) {
      this.#parts.onProblem(
        new ServerError(code, message, { option: 'staple', hint: HINTS.get(code) }),
      )
    }
    this.#told = fault
    return FAILED
  }
}

interface Judged {
  readonly isRevoked: boolean
  /** When the answer was made, and until when it convinces. */
  readonly made: number
  readonly until: number
}

/** What an answer says, or why it says nothing. */
function judge(
  response: Uint8Array,
  certificate: Certificate,
  issuer: Certificate,
  now: number,
): Judged | string {
  try {
    const verdict = verifyOcsp({ response, certificate, issuer, time: new Date(now) })
    if (verdict.status === 'unusable') return `convinces nobody: ${verdict.message}`
    const { thisUpdate, nextUpdate } = verdict.answer
    const made = thisUpdate.getTime()
    const isRevoked = verdict.status === 'revoked'
    return { isRevoked, made, until: nextUpdate?.getTime() ?? now + WITHOUT_END_MS }
  } catch (error) {
    if (!(error instanceof X509Error)) throw error
    return `cannot be read: ${error.message}`
  }
}

function responderOf({ extensions }: Certificate): URL | undefined {
  for (const { method, location } of extensions.authorityInfoAccess ?? []) {
    if (method !== 'ocsp' || location.type !== 'uri') continue
    if (/^https?:\/\//i.test(location.value) && URL.canParse(location.value)) {
      return new URL(location.value)
    }
  }
  return undefined
}

const HINTS: ReadonlyMap<ServerErrorCode, string> = new Map([
  ['staple-unavailable', 'give the responder as staple: { url }, and the whole chain as cert'],
  ['staple-refused', 'see what the responder says: openssl ocsp -issuer CA -cert CERT -url URL'],
])
const TIMES = /\d{4}-\d\d-\d\dT[\d:.]+Z/g
const FAILED = { ok: false } as const
const MOST_BYTES = 64 * 1024
/** An answer without an end says that there is always a newer one. */
const WITHOUT_END_MS = 3_600_000
