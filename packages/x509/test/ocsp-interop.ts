/**
 * Certificates of the present, as files for other programs, and a responder for them.
 *
 * @module
 */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import {
  type Certificate,
  Name,
  type OcspCertificateStatus,
  OcspRequest,
  OcspResponse,
  PrivateKey,
} from '../src/index.ts'
import { noCheck } from './ocsp-world.ts'
import { authority, type Issuer, leafOf } from './verify-world.ts'

/** The tools hold everything against the machine's clock. */
export const NOW: number = Date.now()
export const DAY = 86_400_000
const validity = { notBefore: new Date(NOW - DAY), notAfter: new Date(NOW + DAY) }
export const root: Issuer = authority('Interop Root', undefined, { ...validity, key: newKey() })
export const issuing: Issuer = authority('Interop Issuing', root, { ...validity, key: newKey() })
export const delegate: Issuer = delegateOf('ocspSigning')
export const impostor: Issuer = delegateOf('codeSigning')
export const good: Certificate = leafOf(issuing, validity)
export const revoked: Certificate = leafOf(issuing, validity)
export const stranger: Certificate = leafOf(issuing, validity)
const says = new Map<string, OcspCertificateStatus>([
  [good.serialNumber, { status: 'good' }],
  [
    revoked.serialNumber,
    { status: 'revoked', date: new Date(NOW - 3_600_000), reason: 'keyCompromise' },
  ],
])

export interface Answering {
  by?: Issuer
  responderId?: 'key' | 'name'
  nonce?: 'echo' | 'none' | 'wrong'
}

/** What a responder does with our own parts: whatever is asked, in the order of the request. */
export function respond(
  request: OcspRequest,
  { by, responderId, nonce = 'echo' }: Answering = {},
): OcspResponse {
  if (!request.ids.every((id) => id.isFrom(issuing.certificate))) {
    return OcspResponse.refusal('unauthorized')
  }
  const signer = by ?? issuing
  return OcspResponse.build(
    {
      issuer: issuing.certificate,
      delegate: by?.certificate,
      responderId,
      nonce: nonce === 'echo' ? request.nonce : nonce === 'wrong' ? Uint8Array.of(1) : undefined,
      answers: request.ids.map((id) => ({
        ...(says.get(id.serialNumber) ?? { status: 'unknown' }),
        id,
        thisUpdate: new Date(NOW - 60_000),
        nextUpdate: new Date(NOW + 3_600_000),
      })),
    },
    signer.key.signer(),
  )
}

export interface Files {
  roots: string
  issuer: string
  delegate: string
  impostor: string
  good: string
  revoked: string
  stranger: string
}

/** Writes every certificate as `NAME.pem`, and where there is one the key as `NAME.key`. */
export function write(folder: string): Files {
  const put = (name: string, certificate: Certificate, key?: PrivateKey): string => {
    const file = path.join(folder, `${name}.pem`)
    writeFileSync(file, certificate.pem)
    if (key !== undefined) {
      writeFileSync(path.join(folder, `${name}.key`), key.toPem(), { mode: 0o600 })
    }
    return file
  }
  return {
    roots: put('roots', root.certificate, root.key),
    issuer: put('issuer', issuing.certificate, issuing.key),
    delegate: put('delegate', delegate.certificate, delegate.key),
    impostor: put('impostor', impostor.certificate, impostor.key),
    good: put('good', good),
    revoked: put('revoked', revoked),
    stranger: put('stranger', stranger),
  }
}

function delegateOf(usage: 'ocspSigning' | 'codeSigning'): Issuer {
  const key = newKey()
  const certificate = leafOf(issuing, {
    ...validity,
    key,
    subject: Name.from({ commonName: `Interop ${usage}` }),
    extendedKeyUsage: [usage],
    extraExtensions: [noCheck],
  })
  return { certificate, key }
}

function newKey(): PrivateKey {
  return PrivateKey.generateSync('p256')
}
