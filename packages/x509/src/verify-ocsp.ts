/**
 * Whether an OCSP response is to be believed about a certificate, for whoever asks a responder directly.
 *
 * Not here: asking, and whether the certificate leads to something that is trusted, see `verify-chain.ts`.
 *
 * @module
 */
import { checkOptions, CoreError } from '@countersign/core'
import type { OcspAnswer } from './basic-ocsp-response.ts'
import type { Certificate } from './certificate.ts'
import { Budget } from './verify/budget.ts'
import { judgeResponse } from './verify/ocsp-answers.ts'
import { type OcspInput, readOcspResponses } from './verify/options.ts'
import { type CertificateInput, readCertificates } from './verify/trust-anchors.ts'
import type { UnusableOcspReason } from './verify/verdict.ts'

/** What {@link verifyOcsp} takes. */
export interface VerifyOcspOptions {
  /** What the responder sent: one response. */
  response: OcspInput
  /** The certificate in question. */
  certificate: CertificateInput
  /** Whose key signed it; the caller must trust it already. */
  issuer: CertificateInput
  /** What the request carried; the response must repeat it. @defaultValue none: also an answer made before is taken */
  nonce?: Uint8Array | undefined
  /** @defaultValue now */
  time?: Date | undefined
  /** What an answer is worth after its `nextUpdate`. @defaultValue `refuse` */
  stale?: 'refuse' | 'accept' | undefined
}

/** The answer of {@link verifyOcsp}: `good` and `revoked` are the responder's, `unusable` says why it is not believed. */
export type OcspVerdict =
  | {
      readonly status: 'good' | 'revoked'
      readonly answer: OcspAnswer
      /** The issuer itself or its delegate. */
      readonly responder: Certificate
    }
  | { readonly status: 'unusable'; readonly why: UnusableOcspReason; readonly message: string }

/**
 * Checks who signed a response, for which certificate and when (RFC 6960 §3.2): the issuer itself, or a delegate it signed that
 * has the extended key usage `ocspSigning` and is valid. An issuer that answers itself need not have digitalSignature in its key
 * usage: RFC 6960 does not ask for it, and neither does OpenSSL.
 *
 * ```ts
 * const request = OcspRequest.build({ about: [{ certificate, issuer }] })
 * // ... send request.der as application/ocsp-request ...
 * const verdict = verifyOcsp({ response, certificate, issuer, nonce: request.nonce })
 * if (verdict.status !== 'good') throw new Error(verdict.status)
 * ```
 *
 * @throws CoreError `option-unknown`, `option-invalid`; {@link X509Error} where a certificate or the response cannot be read
 */
export function verifyOcsp(options: VerifyOcspOptions): OcspVerdict {
  checkOptions(options, OPTIONS, 'verifyOcsp')
  const { time = new Date(), nonce, stale = 'refuse' } = options
  if (!(time instanceof Date) || Number.isNaN(time.getTime())) throw invalid('time', 'is no date')
  if (stale !== 'refuse' && stale !== 'accept') throw invalid('stale', 'must be refuse or accept')
  const response = only(readOcspResponses(options.response), 'response')
  const certificate = only(readCertificates(options.certificate, 'certificate'), 'certificate')
  const issuer = only(readCertificates(options.issuer, 'issuer'), 'issuer')
  const judged = judgeResponse(response, { certificate, issuer, time, nonce }, new Budget())
  if ('why' in judged) {
    const detail = judged.why === 'unsuccessful' ? `: ${response.status}` : ''
    return { status: 'unusable', why: judged.why, message: `${MESSAGES[judged.why]}${detail}` }
  }
  const { answer, responder, isStale } = judged
  // Who was revoked then is revoked now.
  if (answer.status === 'revoked') return { status: 'revoked', answer, responder }
  if (!isStale || stale === 'accept') return { status: 'good', answer, responder }
  const { nextUpdate, thisUpdate } = answer
  const due =
    nextUpdate === undefined
      ? `it was made for ${thisUpdate.toISOString()}`
      : `the next was due at ${nextUpdate.toISOString()}`
  return { status: 'unusable', why: 'stale', message: `${MESSAGES.stale}: ${due}` }
}

function only<T>(list: readonly T[], option: string): T {
  const [first] = list
  if (first !== undefined && list.length === 1) return first
  throw invalid(option, `holds ${list.length} where one is wanted`)
}

function invalid(option: string, fault: string): CoreError {
  return new CoreError('option-invalid', `verifyOcsp: the option "${option}" ${fault}`)
}

const MESSAGES: { readonly [why in UnusableOcspReason]: string } = {
  unsuccessful: 'the responder gave no answer',
  'other-certificate': 'the response is about other certificates',
  'status-unknown': 'the responder knows nothing of the certificate',
  'other-nonce': 'the response does not repeat the nonce of the request',
  'not-signed-by-the-issuer':
    'the response is signed neither by the issuer nor by a delegate of it',
  'responder-may-not-answer': 'the delegate that signed the response may not answer for its issuer',
  'responder-expired': 'the certificate of the delegate is not valid at that time',
  'responder-revoked': 'the delegate that signed the response is revoked',
  'critical-extension': 'the response has a critical extension that is not understood',
  'weak-signature':
    'the response, or its delegate, is signed with a key or hash that is not accepted',
  malformed: 'a part of the response, or of a certificate in it, cannot be read',
  'from-the-future': 'the response is from the future',
  stale: 'the response is stale',
}
const OPTIONS: readonly (keyof VerifyOcspOptions)[] = [
  'response',
  'certificate',
  'issuer',
  'nonce',
  'time',
  'stale',
]
