/**
 * Revocation (RFC 5280 §6.3, RFC 6960): what lists and OCSP answers say about a certificate, taken together.
 *
 * Who is revoked by either is revoked, also where that list or answer is stale by now. Else one of them that can be used is
 * enough, and the newer of them is the one that decided.
 *
 * @module
 */
import type { Certificate } from '../certificate.ts'
import type { RevocationReason } from '../crl-entry.ts'
import type { Budget } from './budget.ts'
import { findAnswer, nameResponder } from './ocsp-answers.ts'
import type { Settings } from './options.ts'
import { findList } from './revocation-lists.ts'
import { distributionPoints, ocspResponders } from './revocation-places.ts'
import {
  type CrlMissingFacts,
  type Fault,
  nameOf,
  type RevocationProof,
  type RevokedSource,
  shorten,
} from './verdict.ts'

/** @param chain - leaf first, anchor last */
export function checkRevocation(
  chain: readonly Certificate[],
  settings: Settings,
  budget: Budget,
): Fault | undefined {
  for (const [certificate, issuer] of pairsToCheck(chain, settings)) {
    const { evidence, unusable } = gather(certificate, issuer, settings, budget)
    const fault = judge(certificate, evidence, unusable, settings)
    if (fault !== undefined) return fault
  }
  return undefined
}

/**
 * What an accepted chain stands on, leaf first; costs nothing that the budget knows already.
 *
 * @param chain - one that {@link checkRevocation} found no fault in
 */
export function proveRevocation(
  chain: readonly Certificate[],
  settings: Settings,
  budget: Budget,
): RevocationProof[] {
  return pairsToCheck(chain, settings).flatMap(([certificate, issuer]) => {
    const { evidence } = gather(certificate, issuer, settings, budget)
    const best = newestOf(evidence.filter(({ isStale }) => !isStale)) ?? newestOf(evidence)
    if (best === undefined) return []
    const { from, by, thisUpdate, nextUpdate, isStale } = best
    return [{ certificate, source: from.source, by, thisUpdate, nextUpdate, isStale }]
  })
}

/** What a list or an answer with a good signature says. */
interface Evidence {
  readonly from: RevokedSource
  /** Who says it. */
  readonly by: string
  readonly thisUpdate: Date
  readonly nextUpdate: Date | undefined
  readonly isStale: boolean
  readonly revoked:
    | { readonly date: Date; readonly reason: RevocationReason | undefined }
    | undefined
}

type Unusable = Pick<CrlMissingFacts, 'unusable' | 'unusableOcsp'>

function pairsToCheck(
  chain: readonly Certificate[],
  { revocation, strict }: Settings,
): [certificate: Certificate, issuer: Certificate][] {
  if (revocation === 'off') return []
  const all = strict ? chain.slice(0, -1) : chain
  const checked = revocation === 'leaf' ? all.slice(0, 1) : all
  return checked.map((certificate, index) => [certificate, chain[index + 1] ?? certificate])
}

function gather(
  certificate: Certificate,
  issuer: Certificate,
  settings: Settings,
  budget: Budget,
): { evidence: readonly Evidence[]; unusable: Unusable } {
  const evidence: Evidence[] = []
  const lists = findList(certificate, issuer, settings, budget)
  const { list } = lists
  if (list !== undefined) {
    const { thisUpdate, nextUpdate } = list
    const by = shorten(list.issuer.toString())
    const entry = list.get(certificate.serialNumber)
    const revoked = entry && { date: entry.date, reason: entry.reason }
    const from = { source: 'crl', crlIssuer: by, crlNumber: list.number } as const
    const { isStale } = lists
    evidence.push({ from, by, thisUpdate, nextUpdate, isStale, revoked })
  }
  const { time } = settings
  const isRevoked = (delegate: Certificate): boolean =>
    findList(delegate, issuer, settings, budget).list?.has(delegate.serialNumber) === true
  // Node reads no OCSP answers; neither does the profile that predicts it.
  const responses = settings.strict ? settings.ocsp : []
  const answers = findAnswer(responses, { certificate, issuer, time, isRevoked }, budget)
  const { found } = answers
  if (found !== undefined) {
    const { answer, isStale, producedAt } = found
    const { thisUpdate, nextUpdate } = answer
    const by = nameResponder(found.responder, issuer)
    const revoked =
      answer.status === 'revoked' ? { date: answer.date, reason: answer.reason } : undefined
    const from = { source: 'ocsp', responder: by, producedAt } as const
    evidence.push({ from, by, thisUpdate, nextUpdate, isStale, revoked })
  }
  return { evidence, unusable: { unusable: lists.unusable, unusableOcsp: answers.unusable } }
}

function judge(
  certificate: Certificate,
  evidence: readonly Evidence[],
  unusable: Unusable,
  { time, acceptStale }: Settings,
): Fault | undefined {
  const { serialNumber } = certificate
  const revoking = newestOf(evidence.filter(({ revoked }) => revoked !== undefined))
  if (revoking?.revoked !== undefined) {
    const { date, reason } = revoking.revoked
    return {
      code: 'revoked',
      message: `${nameOf(certificate)} (serial ${serialNumber}) was revoked at ${date.toISOString()}: ${reason ?? 'no reason given'}`,
      certificate,
      facts: { serialNumber, date, reason, ...revoking.from },
    }
  }
  if (evidence.some(({ isStale }) => !isStale || acceptStale)) return undefined
  const facts: CrlMissingFacts = {
    issuer: shorten(certificate.issuer.toString()),
    serialNumber,
    distributionPoints: distributionPoints(certificate),
    ocspResponders: ocspResponders(certificate),
    ...unusable,
  }
  const stale = newestOf(evidence)
  if (stale === undefined) return missing(certificate, facts)
  const { thisUpdate, nextUpdate, by } = stale
  const { source } = stale.from
  const due =
    nextUpdate === undefined
      ? 'it does not say when the next comes'
      : `the next was due at ${nextUpdate.toISOString()}`
  const what = source === 'crl' ? `revocation list of ${by}` : `OCSP answer of ${by}`
  return {
    code: 'crl-stale',
    message: `the ${what} is stale: ${due}`,
    certificate,
    facts: { ...facts, source, thisUpdate, nextUpdate, time },
  }
}

function missing(certificate: Certificate, facts: CrlMissingFacts): Fault {
  const { unusable, unusableOcsp, issuer } = facts
  const given = [...unusable, ...unusableOcsp].map(({ why }) => why).join(', ')
  const what = `revocation list${unusableOcsp.length === 0 ? '' : ' or OCSP answer'}`
  return {
    code: 'crl-missing',
    message: `no ${what} of ${issuer} for ${nameOf(certificate)} ${given === '' ? 'was given' : `can be used (${given})`}`,
    certificate,
    facts,
  }
}

function newestOf(evidence: readonly Evidence[]): Evidence | undefined {
  return evidence.toSorted((a, b) => b.thisUpdate.getTime() - a.thisUpdate.getTime())[0]
}
