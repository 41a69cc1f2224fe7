/**
 * The chain as it is shown: from the leaf up as far as it goes, each step marked, then what was sent besides.
 *
 * @module
 */
import type { Certificate, Fault } from '@countersign/x509'
import { certificateFacts, certificateTitle } from '../certificate-facts.ts'
import type { CertificateFacts } from '../errors.ts'
import { readPresentedChain } from '../presented.ts'
import type { TrustStore } from '../trust-store.ts'
import { type BrokenLink, type ExplainedCertificate, jsonObject } from './explanation.ts'
import type { Analysis } from './analysis.ts'
import { plainText } from './plain-text.ts'
import { readable } from './readable.ts'

/** What was sent, and what is trusted. */
export interface ChainFacts {
  /** As sent, leaf first; what cannot be read is left out. */
  sent: readonly Certificate[]
  /** Where each stood, by fingerprint. */
  places: ReadonlyMap<string, number>
  trust: TrustStore
  /** Where `sent` came from. */
  from: 'sent' | 'file'
}

/** What can be read of what was sent, and where each stood. */
export function readSent(chain: readonly Uint8Array[]): Pick<ChainFacts, 'sent' | 'places'> {
  const sent: Certificate[] = []
  const places = new Map<string, number>()
  for (const [at, der] of chain.entries()) {
    const [certificate] = readPresentedChain([der])
    if (certificate === undefined) continue
    sent.push(certificate)
    if (!places.has(certificate.fingerprint)) places.set(certificate.fingerprint, at)
  }
  return { sent, places }
}

/** The certificates from the leaf up: the chain that was believed, else the likeliest way up. */
export function pathOf(leaf: Certificate, facts: ChainFacts, analysis: Analysis): Certificate[] {
  const { strict, openssl, fault } = analysis
  for (const verdict of [openssl, strict]) if (verdict.ok) return verdict.chain
  const path = [leaf]
  while (path.length < LONGEST_PATH) {
    const top = path.at(-1)
    if (top === undefined || facts.trust.has(top.fingerprint)) break
    const next = issuersOf(top, facts)
      .filter((one) => !path.some((known) => known.equals(one)))
      .toSorted((a, b) => Number(isFaulty(b, fault)) - Number(isFaulty(a, fault)))[0]
    if (next === undefined) break
    path.push(next)
  }
  return path
}

/** @param path - as {@link pathOf} gives it */
export function chainView(
  path: readonly Certificate[],
  facts: ChainFacts,
  fault: Fault | undefined,
): ExplainedCertificate[] {
  const { sent } = facts
  const besides = sent.filter((one) => !path.some((known) => known.equals(one)))
  return [
    ...path.map((one, index) => inPath(one, index, path, facts, fault)),
    ...besides.map((one) => ({
      ...describe(one, facts),
      superfluous: true,
      link: 'unchecked' as const,
      problem: 'it is no part of the chain',
    })),
  ]
}

/** The fault with its place in the chain. */
export function brokenLink(fault: Fault, chain: readonly ExplainedCertificate[]): BrokenLink {
  const { certificate, message, ...rest } = fault
  const facts = certificate && shownFacts(certificate)
  const position = chain.findIndex(({ fingerprint }) => fingerprint === facts?.fingerprint)
  const link: BrokenLink = {
    ...rest,
    message: plainText(message),
    certificate: facts,
    position: position === -1 ? undefined : position,
  }
  // The number of a revocation list may be longer than any number of JSON.
  return Object.defineProperty(link, 'toJSON', { value: () => jsonObject(link) })
}

/** A certificate's facts, fit for a terminal. */
export function shownFacts(certificate: Certificate): CertificateFacts {
  const facts = certificateFacts(certificate)
  return {
    ...facts,
    subject: plainText(facts.subject),
    issuer: plainText(facts.issuer),
    names: facts.names.slice(0, 100).map(plainText),
  }
}

/** How a certificate is called, fit for a terminal. */
export function shownTitle(certificate: Certificate): string {
  return plainText(certificateTitle(certificate))
}

function inPath(
  one: Certificate,
  index: number,
  path: readonly Certificate[],
  facts: ChainFacts,
  fault: Fault | undefined,
): ExplainedCertificate {
  const described = describe(one, facts)
  const isLast = index === path.length - 1
  const broken = isFaulty(one, fault)
  return {
    ...described,
    role: index === 0 ? 'leaf' : described.role,
    // A certificate for another host is still one of this chain.
    link:
      (broken && fault?.code !== 'name-mismatch') || (isLast && !described.trusted)
        ? 'broken'
        : 'ok',
    problem: broken && fault !== undefined ? plainText(fault.message) : undefined,
  }
}

function describe(one: Certificate, { places, trust, from }: ChainFacts): ExplainedCertificate {
  const sentAt = places.get(one.fingerprint)
  return {
    ...shownFacts(one),
    keyId: readable(() => one.subjectKeyId),
    authorityKeyId: readable(() => one.authorityKeyId),
    role: one.isSelfIssued ? 'root' : 'intermediate',
    from: sentAt === undefined ? 'store' : from,
    sentAt,
    trusted: trust.has(one.fingerprint),
    superfluous: false,
    link: 'unchecked',
  }
}

function issuersOf(top: Certificate, { sent, trust }: ChainFacts): Certificate[] {
  if (top.isSelfIssued) return []
  return [...trust.findBySubject(top.issuer), ...sent]
    .filter((one) => one.subject.equals(top.issuer))
    .slice(0, MOST_CANDIDATES)
    .filter((one) => readable(() => top.verifySignature(one.publicKey)) === true)
}

function isFaulty(one: Certificate, fault: Fault | undefined): boolean {
  return fault?.certificate?.equals(one) === true
}

const LONGEST_PATH = 16
/** Each of them costs a signature. */
const MOST_CANDIDATES = 8
