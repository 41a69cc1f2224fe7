/** Authorities of somebody else: made with x509 alone, as other programs make them. */
import type { TakenAuthority, TakenCertificate } from '@countersign/authority'
import {
  buildCertificate,
  type CertificateTemplate,
  Name,
  parseGeneralName,
  PrivateKey,
} from '@countersign/x509'

export const DAY_MS = 86_400_000

/** A root that allows anything below it, unless the changes say otherwise. */
export function foreignRoot(
  changes: Partial<CertificateTemplate> = {},
  days = 3650,
  key: PrivateKey = PrivateKey.generateSync('p256'),
): TakenAuthority {
  const name = Name.from({ organization: 'Old Works', commonName: 'Old Root' })
  return {
    key,
    certificate: certify({ subject: name, issuer: name, ca: {}, ...changes }, key, key, days),
  }
}

/** An issuer below it. */
export function foreignIssuer(
  root: TakenAuthority,
  changes: Partial<CertificateTemplate> = {},
  days = 1000,
): TakenAuthority {
  const key = PrivateKey.generateSync('p256')
  const template = {
    subject: Name.from({ commonName: 'Old Issuer' }),
    issuer: root.certificate.subject,
    authorityKeyId: root.certificate.extensions.subjectKeyIdentifier,
    ca: { pathLength: 0 },
    ...changes,
  }
  return { key, certificate: certify(template, key, root.key, days) }
}

/** A leaf that one of them has issued, as an index and a folder tell of it. */
export function foreignLeaf(
  by: TakenAuthority,
  name: string,
  changes: Partial<TakenCertificate> & { readonly serialNumber?: Uint8Array } = {},
): TakenCertificate {
  const { serialNumber, ...rest } = changes
  const certificate = certify(
    {
      subject: Name.from({ commonName: name }),
      issuer: by.certificate.subject,
      subjectAltNames: [parseGeneralName(name)],
      extendedKeyUsage: ['serverAuth'],
      authorityKeyId: by.certificate.extensions.subjectKeyIdentifier,
      serialNumber,
    },
    PrivateKey.generateSync('p256'),
    by.key,
    300,
  )
  return {
    certificate,
    serial: certificate.serialNumber,
    notAfter: certificate.notAfter,
    revokedAt: undefined,
    reason: undefined,
    subject: certificate.subject.toString(),
    source: `index.txt, ${name}`,
    ...rest,
  }
}

function certify(
  template: Omit<CertificateTemplate, 'publicKey' | 'notBefore' | 'notAfter'> &
    Partial<CertificateTemplate>,
  key: PrivateKey,
  by: PrivateKey,
  days: number,
): TakenAuthority['certificate'] {
  const now = Math.floor(Date.now() / 1000) * 1000
  return buildCertificate(
    {
      publicKey: key.publicKey,
      notBefore: new Date(now - DAY_MS),
      notAfter: new Date(now + days * DAY_MS),
      ...template,
    },
    by.signer(),
  )
}
