/**
 * OCSP answers (RFC 6960 §3.2): which of those given speaks about a certificate, who signed it, and whether it can be used.
 *
 * @module
 */
import type { BasicOcspResponse, OcspAnswer } from '../basic-ocsp-response.ts'
import type { Certificate } from '../certificate.ts'
import { X509Error } from '../errors.ts'
import type { OcspResponse } from '../ocsp-response.ts'
import { OID } from '../oid.ts'
import type { Budget } from './budget.ts'
import { checkKey, isStrongSignature } from './strength.ts'
import { nameOf, shorten, type UnusableOcsp, type UnusableOcspReason } from './verdict.ts'

/** About what an answer is wanted. */
export interface OcspQuestion {
  readonly certificate: Certificate
  /** Whose key signed the certificate. */
  readonly issuer: Certificate
  readonly time: Date
  /** What the answer must repeat. */
  readonly nonce?: Uint8Array | undefined
  /** Whether a delegate is known to be revoked; asked only after its signature was checked. */
  readonly isRevoked?: ((delegate: Certificate) => boolean) | undefined
}

/** An answer with a signature that counts, and why it cannot be used all the same: at most because it is stale. */
interface BelievedAnswer {
  readonly answer: OcspAnswer
  /** The issuer itself or its delegate. */
  readonly responder: Certificate
  readonly producedAt: Date
  readonly isStale: boolean
}

/** What a response is worth for one certificate. */
export type JudgedResponse = BelievedAnswer | { readonly why: UnusableOcspReason }

/** What the given responses are worth for one certificate. */
export interface FoundAnswer {
  /** The newest that can be used, else the newest that is stale. */
  readonly found: BelievedAnswer | undefined
  /** The others that are about this certificate or about nothing at all, the stale one included. */
  readonly unusable: readonly UnusableOcsp[]
}

/** Responses about other certificates are passed over: whoever checks a chain gives one for each. */
export function findAnswer(
  responses: readonly OcspResponse[],
  question: OcspQuestion,
  budget: Budget,
): FoundAnswer {
  const usable: BelievedAnswer[] = []
  const stale: BelievedAnswer[] = []
  const unusable: UnusableOcsp[] = []
  for (const response of responses) {
    const judged = judgeResponse(response, question, budget)
    if (!('why' in judged)) (judged.isStale ? stale : usable).push(judged)
    const why = 'why' in judged ? judged.why : judged.isStale ? 'stale' : undefined
    if (why !== undefined && why !== 'other-certificate') {
      unusable.push(describe(response, question, why))
    }
  }
  return { found: newestOf(usable) ?? newestOf(stale), unusable }
}

/** Checks one response in the order of RFC 6960 §3.2. */
export function judgeResponse(
  response: OcspResponse,
  question: OcspQuestion,
  budget: Budget,
): JudgedResponse {
  const { basic } = response
  if (basic === undefined) return { why: 'unsuccessful' }
  const answer = findStatement(basic, question)
  if (answer === undefined) return { why: 'other-certificate' }
  if (basic.unknownCriticalExtensions.length > 0) return { why: 'critical-extension' }
  const { nonce, time } = question
  if (nonce !== undefined && !isSame(nonce, basic.nonce)) return { why: 'other-nonce' }
  let responder: Certificate | UnusableOcspReason
  try {
    if (!isStrongSignature(basic, true)) return { why: 'weak-signature' }
    responder = findResponder(basic, question, budget)
  } catch (error) {
    if (error instanceof X509Error) return { why: 'malformed' }
    throw error
  }
  if (typeof responder === 'string') return { why: responder }
  if (answer.thisUpdate > time) return { why: 'from-the-future' }
  if (answer.status === 'unknown') return { why: 'status-unknown' }
  const end = answer.nextUpdate ?? new Date(answer.thisUpdate.getTime() + WITHOUT_END_MS)
  return { answer, responder, producedAt: basic.producedAt, isStale: time > end }
}

/** What is said about the certificate: where several things are, the worst, else the newest. */
function findStatement(
  { answers }: BasicOcspResponse,
  { certificate, issuer }: OcspQuestion,
): OcspAnswer | undefined {
  const about = answers.filter(({ id }) => id.names(certificate, issuer))
  return (
    about.find(({ status }) => status === 'revoked') ??
    about.toSorted((a, b) => b.thisUpdate.getTime() - a.thisUpdate.getTime())[0]
  )
}

/** The issuer, or a delegate that it signed for this purpose (RFC 6960 §4.2.2.2); nobody else. */
function findResponder(
  basic: BasicOcspResponse,
  question: OcspQuestion,
  budget: Budget,
): Certificate | UnusableOcspReason {
  const { issuer } = question
  if (basic.isBy(issuer) && budget.verify(basic, issuer)) return issuer
  let why: UnusableOcspReason = 'not-signed-by-the-issuer'
  for (const delegate of basic.certificates) {
    if (!basic.isBy(delegate)) continue
    const fault = checkDelegate(delegate, basic, question, budget)
    if (fault === undefined) return delegate
    why = fault
  }
  return why
}

function checkDelegate(
  delegate: Certificate,
  basic: BasicOcspResponse,
  { certificate, issuer, time, isRevoked }: OcspQuestion,
  budget: Budget,
): UnusableOcspReason | undefined {
  if (!delegate.issuer.equals(issuer.subject) || !budget.verify(delegate, issuer)) {
    return 'not-signed-by-the-issuer'
  }
  if (checkKey(delegate, true) !== undefined || !isStrongSignature(delegate, true)) {
    return 'weak-signature'
  }
  // Else a delegate whose key was stolen would say for ever that it is not revoked.
  if (delegate.equals(certificate)) return 'responder-may-not-answer'
  const { extendedKeyUsage, keyUsage, all } = delegate.extensions
  // Named, not by anyExtendedKeyUsage: the issuer must have meant it.
  if (
    extendedKeyUsage?.includes('ocspSigning') !== true ||
    keyUsage?.some((usage) => SIGNS.has(usage)) === false ||
    all.some(({ oid, critical }) => critical && !UNDERSTOOD.has(oid))
  ) {
    return 'responder-may-not-answer'
  }
  if (!delegate.isValidAt(time)) return 'responder-expired'
  if (isRevoked?.(delegate) === true) return 'responder-revoked'
  return budget.verify(basic, delegate) ? undefined : 'not-signed-by-the-issuer'
}

function newestOf(answers: readonly BelievedAnswer[]): BelievedAnswer | undefined {
  return answers.toSorted(
    ({ answer: a }, { answer: b }) =>
      b.thisUpdate.getTime() - a.thisUpdate.getTime() ||
      Number(b.status === 'revoked') - Number(a.status === 'revoked'),
  )[0]
}

function describe(
  { status, basic }: OcspResponse,
  question: OcspQuestion,
  why: UnusableOcspReason,
): UnusableOcsp {
  const answer = basic && findStatement(basic, question)
  return {
    responder: basic && responderName(basic),
    status,
    producedAt: basic?.producedAt,
    thisUpdate: answer?.thisUpdate,
    nextUpdate: answer?.nextUpdate,
    why,
  }
}

function responderName({ responderId }: BasicOcspResponse): string {
  return 'name' in responderId
    ? shorten(responderId.name.toString())
    : `key ${shorten(responderId.keyId)}`
}

/** How a responder is called: the issuer by its name, a delegate with whom it answers for. */
export function nameResponder(responder: Certificate, issuer: Certificate): string {
  return responder === issuer ? nameOf(issuer) : `${nameOf(responder)} for ${nameOf(issuer)}`
}

function isSame(wanted: Uint8Array, found: Uint8Array | undefined): boolean {
  return found !== undefined && Buffer.compare(wanted, found) === 0
}

/** RFC 6960 §2.4 has newer information at any time then; OpenSSL gives an answer five minutes too. */
const WITHOUT_END_MS = 300_000
const SIGNS: ReadonlySet<string> = new Set(['digitalSignature', 'nonRepudiation'])
const UNDERSTOOD: ReadonlySet<string> = new Set([
  OID.basicConstraints,
  OID.keyUsage,
  OID.extendedKeyUsage,
  OID.subjectAltName,
  OID.crlDistributionPoints,
  OID.ocspNoCheck,
])
