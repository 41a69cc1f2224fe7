/**
 * A throw-away root and a certificate for localhost, made by our own x509 room, for servers under measurement.
 *
 * @module
 */
import { buildCertificate, type Certificate, Name, PrivateKey } from '@countersign/x509'

/** What a server under measurement serves with. */
export interface BenchIdentity {
  /** PEM root. */
  ca: string
  cert: string
  key: string
}

/** Makes one; the key type decides the handshake's cost, not the request's. */
export function makeIdentity(): BenchIdentity {
  const rootKey = PrivateKey.generateSync('p256')
  const subject = Name.from({ commonName: 'Bench Root' })
  const notBefore = new Date(Date.now() - 60_000)
  const notAfter = new Date(Date.now() + 86_400_000)
  const root: Certificate = buildCertificate(
    {
      subject,
      issuer: subject,
      publicKey: rootKey.publicKey,
      notBefore,
      notAfter,
      ca: {},
      keyUsage: ['keyCertSign', 'cRLSign'],
    },
    rootKey.signer(),
  )
  const key = PrivateKey.generateSync('p256')
  const leaf = buildCertificate(
    {
      subject: Name.from({}),
      issuer: subject,
      publicKey: key.publicKey,
      notBefore,
      notAfter,
      subjectAltNames: [{ type: 'dns', value: 'localhost' }],
      keyUsage: ['digitalSignature'],
      extendedKeyUsage: ['serverAuth'],
      authorityKeyId: rootKey.publicKey.keyId(),
    },
    rootKey.signer(),
  )
  return { ca: root.pem, cert: leaf.pem, key: key.toPem() }
}
