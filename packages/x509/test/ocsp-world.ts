/**
 * OCSP responders for tests: an issuer that answers itself or through a delegate, and answers of any kind.
 *
 * @module
 */
import { nullValue } from '../src/der-writer.ts'
import {
  type Certificate,
  Name,
  type OcspAnswer,
  OcspCertId,
  type OcspCertificateStatus,
  type OcspHash,
  OcspResponse,
  type OcspResponseTemplate,
  PrivateKey,
} from '../src/index.ts'
import { OID } from '../src/oid.ts'
import { authority, type Deviation, type Issuer, leafOf, NOW, raw } from './verify-world.ts'

export const HOUR = 3_600_000
/** A time that far from {@link NOW}. */
export const at = (offset: number): Date => new Date(NOW.getTime() + offset)

export const root: Issuer = authority('Example Root')
export const issuing: Issuer = authority('Example Issuing', root)
export const chain: readonly Issuer[] = [issuing, root]
/** The name of {@link issuing} with another key. */
export const sibling: Issuer = authority('Example Issuing', root, {
  key: PrivateKey.generateSync('p256'),
})
export const leaf: Certificate = leafOf(issuing)

export const noCheck = raw(OID.ocspNoCheck, nullValue())

/** A certificate that may answer for an issuer. */
export function delegateOf(by: Issuer, deviation: Deviation = {}): Issuer {
  const key = deviation.key ?? PrivateKey.generateSync('p256')
  const certificate = leafOf(by, {
    subject: Name.from({ commonName: 'Example OCSP' }),
    subjectAltNames: [],
    extendedKeyUsage: ['ocspSigning'],
    extraExtensions: [noCheck],
    ...deviation,
    key,
  })
  return { certificate, key }
}

/** What {@link answer} says, where it differs from: good, for the leaf, by SHA-1, from an hour ago for an hour to come. */
export interface AnswerChanges {
  about?: Certificate
  issuer?: Issuer
  hash?: OcspHash
  says?: OcspCertificateStatus
  thisUpdate?: Date
  nextUpdate?: Date | undefined
}

export const REVOKED: OcspCertificateStatus = {
  status: 'revoked',
  date: at(-2 * HOUR),
  reason: 'keyCompromise',
}

/** A statement about one certificate. */
export function answer(changes: AnswerChanges = {}): OcspAnswer {
  const { about = leaf, issuer = issuing, hash, says = { status: 'good' } } = changes
  return {
    ...says,
    id: OcspCertId.of(about, issuer.certificate, hash),
    thisUpdate: changes.thisUpdate ?? at(-HOUR),
    nextUpdate: 'nextUpdate' in changes ? changes.nextUpdate : at(HOUR),
  }
}

/** A response with one answer. */
export function respond(
  changes: AnswerChanges & { delegate?: Issuer } = {},
  template: Partial<OcspResponseTemplate> = {},
): OcspResponse {
  const { issuer = issuing, delegate } = changes
  return OcspResponse.build(
    {
      issuer: issuer.certificate,
      delegate: delegate?.certificate,
      answers: [answer(changes)],
      producedAt: at(-HOUR),
      ...template,
    },
    (delegate ?? issuer).key.signer(),
  )
}

/** The same response with another signature than the one that fits. */
export function broken(response: OcspResponse): OcspResponse {
  const der = new Uint8Array(response.der)
  const last = der.length - 1
  der[last] = (der[last] ?? 0) ^ 1
  return OcspResponse.parse(der)
}
