/**
 * Decides why a chain is not believed. The one place: what a failed connection is called and what is said about it agree.
 *
 * @module
 */
import { isIP } from 'node:net'
import {
  type Certificate,
  type Fault,
  type Refusal,
  type Verdict,
  type VerifyOptions,
  verifyChain,
} from '@countersign/x509'
import type { TlsErrorCode } from '../errors.ts'
import { checkServerName, describeNames } from '../server-name.ts'
import type { TrustStore } from '../trust-store.ts'
import { readable } from './readable.ts'

/** What is in hand. */
export interface Evidence {
  /** As sent, leaf first; what cannot be read is left out. */
  chain: readonly Certificate[]
  trust: TrustStore
  /** A host name or an address. */
  name: string | undefined
  purpose: 'server' | 'client'
  time: Date
  /** DER of revocation lists. */
  crls: readonly Uint8Array[]
  /** What OpenSSL, or the connection, said; absent where nobody was asked. */
  said: TlsErrorCode | 'believed' | undefined
  /** What the missing issuer is, where it was found in another place. */
  issuer?: 'root' | 'intermediate' | undefined
}

/** What was found. */
export interface Analysis {
  /** `undefined` where the chain is believed. */
  code: TlsErrorCode | undefined
  fault: Fault | undefined
  strict: Verdict
  openssl: Verdict
}

/** Looks at a chain both ways, and decides. */
export function analyse(leaf: Certificate, evidence: Evidence): Analysis {
  const strict = verdictOf(leaf, evidence, 'strict')
  const openssl = verdictOf(leaf, evidence, 'openssl')
  return { ...decide(leaf, evidence, strict, openssl), strict, openssl }
}

/**
 * OpenSSL says "unable to get local issuer certificate" (without partial chains "unable to verify the first certificate")
 * whenever a server sends its leaf alone and the issuer is not trusted: an intermediate that was not sent, a root that is
 * not trusted, or a root that was made again.
 *
 * @param chain - as sent, leaf first
 * @param known - what the missing issuer is, where somebody knows
 */
export function refinedCode(
  code: TlsErrorCode,
  chain: readonly Certificate[],
  trust: TrustStore,
  known?: 'root' | 'intermediate',
): TlsErrorCode {
  // OpenSSL checks the purpose before it looks whether an authority is one.
  if (code === 'wrong-purpose') {
    return linkedPart(chain).some((one, depth) => depth > 0 && readable(() => one.isCa) !== true)
      ? 'not-a-ca'
      : code
  }
  if (code !== 'missing-intermediate' && code !== 'untrusted-root' && code !== 'bad-signature') {
    return code
  }
  const linked = linkedPart(chain)
  const top = linked.at(-1)
  if (top === undefined) return code
  const sent = chain.filter((one) => one.subject.equals(top.issuer))
  const sameName = [...trust.findBySubject(top.issuer), ...sent].filter((one) => !one.equals(top))
  if (sameName.length > 0 && !sameName.some((issuer) => isIssuer(top, issuer))) {
    const keyId = readable(() => top.authorityKeyId)
    const hasKey =
      keyId !== undefined && sameName.some((one) => readable(() => one.subjectKeyId) === keyId)
    return hasKey ? 'bad-signature' : 'key-mismatch'
  }
  if (code === 'bad-signature' || linked.length > 1) return code
  const isRoot = known === undefined ? looksIssuedByRoot(top, trust) : known === 'root'
  return isRoot ? 'untrusted-root' : 'missing-intermediate'
}

/** From the leaf up, as far as issuers were sent. */
function linkedPart(chain: readonly Certificate[]): Certificate[] {
  const linked = chain.slice(0, 1)
  let rest = chain.slice(1)
  for (;;) {
    const top = linked.at(-1)
    const next =
      top &&
      rest.find((one) => !one.equals(top) && one.subject.equals(top.issuer) && isIssuer(top, one))
    if (next === undefined) return linked
    linked.push(next)
    rest = rest.filter((one) => one !== next)
  }
}

/** As OpenSSL has it, for whom the key identifiers are a rule. */
function isIssuer(certificate: Certificate, issuer: Certificate): boolean {
  const found = readable(() => {
    const wanted = certificate.authorityKeyId
    const offered = issuer.subjectKeyId
    if (wanted !== undefined && offered !== undefined && wanted !== offered) return false
    return certificate.verifySignature(issuer.publicKey)
  })
  return found === true
}

/** Without the issuer there is no proof; its name, and who of the same organisation is trusted, are the evidence. */
function looksIssuedByRoot(leaf: Certificate, trust: TrustStore): boolean {
  const organization = leaf.issuer.get('organization')
  if (organization !== undefined) {
    const known = trust.certificates.some(
      ({ subject }) => subject.get('organization') === organization,
    )
    if (known) return false
  }
  const commonName = leaf.issuer.get('commonName') ?? ''
  return !/intermediate|issuing|issuer|\bsub\b/i.test(commonName)
}

type Decision = Pick<Analysis, 'code' | 'fault'>

function decide(
  leaf: Certificate,
  evidence: Evidence,
  strict: Verdict,
  openssl: Verdict,
): Decision {
  const { said, name, trust, chain } = evidence
  if (said !== undefined && said !== 'believed') return supported(said, evidence, [openssl, strict])
  // Our contexts end at any trusted certificate; `openssl` is Node without partial chains.
  const isPartial = strict.ok && strict.chain.at(-1)?.isSelfIssued === false
  // A name in the common name alone passes for Node, not for us.
  if (said === 'believed' || openssl.ok || isPartial || openssl.code === 'name-mismatch') {
    const isNamed = name === undefined || checkServerName(name, leaf) === undefined
    return isNamed ? BELIEVED : { code: 'name-mismatch', fault: nameFault(leaf, name) }
  }
  const endsEarly = !strict.ok && chain.some((one) => trust.has(one.fingerprint))
  const fault = faultOf(endsEarly ? strict : openssl)
  const code =
    fault.code === 'missing-intermediate' && fault.certificate !== undefined
      ? refinedCode(fault.code, [fault.certificate], trust, evidence.issuer)
      : fault.code
  return { code, fault: relabelled(fault, code) }
}

/** The facts behind what was said: of the verifier that says the same, else of one that found the same kind of end. */
function supported(said: TlsErrorCode, evidence: Evidence, verdicts: readonly Verdict[]): Decision {
  const code = refinedCode(said, evidence.chain, evidence.trust, evidence.issuer)
  const faults = verdicts.flatMap((verdict) => (verdict.ok ? [] : [faultOf(verdict)]))
  const same = faults.find((fault) => fault.code === code)
  if (same !== undefined) return { code, fault: same }
  if (code === 'name-mismatch') {
    const [leaf] = evidence.chain
    return { code, fault: leaf && nameFault(leaf, evidence.name ?? '') }
  }
  const alike = isDeadEnd(code) ? faults.find((fault) => isDeadEnd(fault.code)) : undefined
  return { code, fault: alike && relabelled(alike, code) }
}

function faultOf({ ok: _ok, ...fault }: Refusal): Fault {
  return fault
}

/** Dead ends have the same facts, whatever they are called. */
function relabelled(fault: Fault, code: TlsErrorCode): Fault | undefined {
  if (fault.code === code) return fault
  const ended =
    fault.code === 'untrusted-root' ||
    fault.code === 'missing-intermediate' ||
    fault.code === 'key-mismatch' ||
    fault.code === 'self-signed' ||
    fault.code === 'untrusted-root-sent' ||
    fault.code === 'bad-signature'
  return ended && isDeadEnd(code) ? { ...fault, code } : undefined
}

function isDeadEnd(code: TlsErrorCode): code is DeadEnd {
  return DEAD_ENDS.has(code)
}

function nameFault(leaf: Certificate, name: string): Fault {
  const presented = describeNames(leaf).slice(0, 20)
  return {
    code: 'name-mismatch',
    message: `the certificate is not for ${name} but for ${presented.join(', ') || 'no name at all'}`,
    certificate: leaf,
    facts: {
      wanted: { type: isIP(name) === 0 ? 'dns' : 'ip', value: name },
      presented,
      commonName: leaf.subject.get('commonName'),
    },
  }
}

function verdictOf(leaf: Certificate, evidence: Evidence, profile: 'strict' | 'openssl'): Verdict {
  return verifyChain({ ...questionOf(leaf, evidence), profile })
}

/** The evidence, as a verifier is asked. */
export function questionOf(
  leaf: Certificate,
  { chain, trust, name, purpose, time, crls }: Evidence,
): VerifyOptions {
  return {
    leaf,
    intermediates: chain.slice(1),
    roots: trust.anchors,
    purpose,
    name: name === undefined ? undefined : isIP(name) === 0 ? { dns: name } : { ip: name },
    time,
    crls: crls.length === 0 ? undefined : crls,
  }
}

const BELIEVED: Decision = { code: undefined, fault: undefined }

type DeadEnd =
  | 'untrusted-root'
  | 'missing-intermediate'
  | 'key-mismatch'
  | 'self-signed'
  | 'untrusted-root-sent'

/** How a chain can end before it reaches what is trusted. A bad signature is one too, but cannot be claimed without proof. */
export const DEAD_ENDS: ReadonlySet<TlsErrorCode> = new Set<DeadEnd>([
  'untrusted-root',
  'missing-intermediate',
  'key-mismatch',
  'self-signed',
  'untrusted-root-sent',
])
