/**
 * Why a chain ends before it reaches an anchor.
 *
 * @module
 */
import type { Certificate } from '../certificate.ts'
import type { Budget } from './budget.ts'
import type { Settings } from './options.ts'
import { type Fault, type IssuerFacts, nameOf, shorten } from './verdict.ts'

/** A certificate that has the name of the issuer. */
export interface Candidate {
  readonly certificate: Certificate
  readonly from: 'roots' | 'intermediates'
}

/**
 * @param chain - leaf first; its last certificate has no issuer that fits
 * @param candidates - what has the issuer's name, none of which made the signature
 */
export function explainDeadEnd(
  chain: readonly Certificate[],
  candidates: readonly Candidate[],
  settings: Settings,
  budget: Budget,
): Fault | undefined {
  const top = chain.at(-1)
  if (top === undefined) return undefined
  const others = candidates.filter(({ certificate }) => !certificate.equals(top))
  const facts: IssuerFacts = {
    issuer: shorten(top.issuer.toString()) || 'nobody',
    keyId: top.authorityKeyId,
    candidates: others.slice(0, 20).map(({ certificate, from }) => ({
      subject: shorten(certificate.subject.toString()),
      keyId: certificate.subjectKeyId,
      fingerprint: certificate.fingerprint,
      from,
    })),
    roots: settings.anchors.size,
    intermediates: settings.intermediates.size,
  }
  const name = nameOf(top)
  if (settings.anchors.has(top)) {
    return {
      code: 'untrusted-root',
      message: `the chain ends at ${name}, which is trusted and not self-signed: partial chains are off`,
      certificate: top,
      facts,
    }
  }
  const isTrustedName = others.some(({ from }) => from === 'roots')
  if (top.isSelfIssued && budget.verify(top, top)) {
    if (isTrustedName) {
      return {
        code: 'key-mismatch',
        message: `${name} is trusted with another key: it was made anew, or the trusted copy is old`,
        certificate: top,
        facts,
      }
    }
    return chain.length === 1
      ? {
          code: 'self-signed',
          message: `${name} is signed by itself and ${notAmong(facts.roots)}`,
          certificate: top,
          facts,
        }
      : {
          code: 'untrusted-root-sent',
          message: `the chain ends at ${name}, which was sent and ${notAmong(facts.roots)}`,
          certificate: top,
          facts,
        }
  }
  if (others.length > 0) return explainSignature(top, others, facts)
  return chain.length === 1
    ? {
        code: 'missing-intermediate',
        message: `${name} is issued by ${facts.issuer}, which was not sent and ${notAmong(facts.roots)}`,
        certificate: top,
        facts,
      }
    : {
        code: 'untrusted-root',
        message: `the chain ends at ${name}, issued by ${facts.issuer}, which ${notAmong(facts.roots)}`,
        certificate: top,
        facts,
      }
}

function notAmong(roots: number): string {
  return roots === 1 ? 'is not the one root' : `is not among the ${roots} roots`
}

/** The name is there, the signature does not fit: another key, or damage. */
function explainSignature(
  top: Certificate,
  others: readonly Candidate[],
  facts: IssuerFacts,
): Fault {
  const keyId = top.authorityKeyId
  const isOtherKey =
    keyId !== undefined &&
    others.every(({ certificate }) => {
      const offered = certificate.subjectKeyId
      return offered !== undefined && offered !== keyId
    })
  return isOtherKey
    ? {
        code: 'key-mismatch',
        message: `${nameOf(top)} is issued by ${facts.issuer} with the key ${keyId}; there is one of that name with another key`,
        certificate: top,
        facts,
      }
    : {
        code: 'bad-signature',
        message: `the signature on ${nameOf(top)} is not by the key of ${facts.issuer}`,
        certificate: top,
        facts: { ...facts, algorithm: top.signatureAlgorithm },
      }
}
