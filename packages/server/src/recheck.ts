/**
 * Is a certificate that was verified under an older trust still good under the new one? Asked on a live connection, when
 * the server's authorities or revocation lists have changed since its handshake.
 *
 * The chain the client sent is gone by then (Node 24 keeps the leaf alone), so that some answers are "I cannot know": the
 * client is then told to connect again, and the handshake decides.
 *
 * @module
 */
import type { TlsContext } from '@countersign/tls'
import type { Certificate, CertificateRevocationList } from '@countersign/x509'
import { type Refusal, validityRefusal } from './refusal.ts'
import { listsOf } from './revocation-lists.ts'

/**
 * Judges a certificate anew.
 *
 * @param before - what it was verified under
 * @param current - what the server trusts now
 * @returns `undefined` where it is certainly still good
 */
export function recheck(
  certificate: Certificate,
  before: TlsContext,
  current: TlsContext,
  now: Date,
): Refusal | undefined {
  const lapsed = validityRefusal(certificate, now)
  if (lapsed !== undefined) return lapsed
  if (current.clientCertificates === 'none') return OUTDATED
  const anchor = anchorOf(certificate, current)
  // Verified under anchors that are all still trusted, whatever stood between.
  const anchored = before.trust.certificates.every(({ fingerprint }) =>
    current.trust.has(fingerprint),
  )
  if (anchor === undefined ? !anchored : !anchor.isValidAt(now)) return OUTDATED
  return recheckLists(
    certificate,
    anchor,
    { before: listsOf(before), current: listsOf(current) },
    now,
  )
}

/** The certificate itself where it is pinned, or an authority that signed it. */
function anchorOf(certificate: Certificate, { trust }: TlsContext): Certificate | undefined {
  if (trust.has(certificate.fingerprint)) return certificate
  return trust
    .findBySubject(certificate.issuer)
    .find((candidate) => candidate.isCa && certificate.issuedBy(candidate))
}

type Lists = readonly CertificateRevocationList[] | undefined

function recheckLists(
  certificate: Certificate,
  anchor: Certificate | undefined,
  lists: { before: Lists; current: Lists },
  now: Date,
): Refusal | undefined {
  const { before, current } = lists
  // A context of the caller's own does not tell its lists.
  if (before === undefined || current === undefined) return OUTDATED
  if (current.length === 0) return undefined
  const own = current.filter((list) => list.issuer.equals(certificate.issuer))
  if (own.some((list) => list.has(certificate.serialNumber))) return REVOKED
  if (own.length === 0 || !own.every((list) => list.isValidAt(now))) return OUTDATED
  const known = new Set(before.map(({ fingerprint }) => fingerprint))
  for (const list of current) {
    // What is new in other lists may be about an intermediate, which is known only where the server holds it.
    if (own.includes(list) || known.has(list.fingerprint) || list.size === 0) continue
    if (anchor === undefined || list.has(anchor.serialNumber)) return OUTDATED
  }
  return undefined
}

const REVOKED: Refusal = {
  code: 'revoked',
  message: 'the client certificate was revoked by its issuer',
  hint: 'ask the authority for a new certificate with a new key',
}

/** A handshake can decide what cannot be decided here. */
const OUTDATED: Refusal = {
  code: 'connection-outdated',
  message: 'what this server trusts has changed since this connection was made',
  hint: 'connect again',
}
