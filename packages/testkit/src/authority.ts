/**
 * A certificate authority for tests: a root, an issuer below it, and whatever leaves a test asks for.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import {
  type Certificate,
  type CertificateRevocationList,
  type CertificateTemplate,
  type GeneralName,
  type KeyType,
  Name,
  PrivateKey,
  type RevocationReason,
  buildCertificate,
  buildCrl,
  encodePkcs12,
  parseGeneralName,
} from '@countersign/x509'

/** How {@link testAuthority} makes its authority. */
export interface TestAuthorityOptions {
  /** Of root, issuer and leaves. @defaultValue 'p256' */
  keyType?: KeyType | undefined
  /** Validity counts from here, a minute back. @defaultValue the machine's time */
  now?: Date | undefined
  /** Name constraints on root and issuer: `.corp.internal`, `10.0.0.0/8`. @defaultValue none */
  constrain?: readonly string[] | undefined
  /** Written into every leaf: where the issuer's revocation list is. @defaultValue none */
  crlUrl?: string | undefined
}

/** What {@link TestAuthority.issue} certifies. */
export interface TestIssueOptions {
  /**
   * Host names, addresses, e-mail addresses and URIs; for a client also plain names, which become the common name
   * and a SPIFFE URI.
   */
  names: readonly string[]
  /** A client certificate instead of a server's. @defaultValue false */
  client?: boolean | undefined
  /** @defaultValue a minute before the authority's `now` */
  notBefore?: Date | undefined
  /** @defaultValue seven days after the authority's `now` */
  notAfter?: Date | undefined
  /** @defaultValue that of the authority */
  keyType?: KeyType | undefined
  /** Instead of the one usage of server or client. */
  extendedKeyUsage?: readonly string[] | undefined
}

/** A certificate with its key and chain. */
export interface TestIdentity {
  readonly certificate: Certificate
  /** PEM of the certificate alone. */
  readonly certPem: string
  /** PEM of the certificate and the issuer: what a server sends. */
  readonly chainPem: string
  readonly key: PrivateKey
  /** PEM, not encrypted. */
  readonly keyPem: string
  /** DER of certificate, chain and key. */
  pkcs12(password: string): Uint8Array
  /** Writes the identity as files, and answers their paths. */
  write(folder: string, name: string): TestIdentityFiles
}

/** Where {@link TestIdentity.write} put things. */
export interface TestIdentityFiles {
  /** `NAME.crt`: certificate and issuer. */
  certificate: string
  /** `NAME.key` */
  key: string
  /** `NAME.pem`: certificate, issuer and key in one. */
  pem: string
  /** `roots.pem` */
  roots: string
}

/** What {@link TestAuthority.crl} revokes. */
export interface TestCrlOptions {
  revoked?: readonly (Certificate | string)[] | undefined
  reason?: RevocationReason | undefined
  /** A list of the root instead of the issuer. @defaultValue false */
  ofRoot?: boolean | undefined
  /** @defaultValue a minute before the authority's `now` */
  thisUpdate?: Date | undefined
  /** @defaultValue a day after the authority's `now` */
  nextUpdate?: Date | undefined
}

/** A root, an issuer, and leaves. */
export interface TestAuthority {
  readonly root: Certificate
  readonly rootKey: PrivateKey
  readonly rootPem: string
  readonly issuer: Certificate
  readonly issuerKey: PrivateKey
  readonly issuerPem: string
  /** Issues a certificate with a key of its own. */
  issue(options: TestIssueOptions): TestIdentity
  /** A revocation list, its number one higher than the last. */
  crl(options?: TestCrlOptions): CertificateRevocationList
  /** PEM of an issuer's list and an empty one of the root: OpenSSL wants one of every authority in the chain. */
  crlPem(options?: TestCrlOptions): string
  /** Writes `roots.pem` and `issuer.pem`, and answers their paths. */
  write(folder: string): { roots: string; issuer: string }
}

/** Makes an authority that shares no name and no key with another. */
export function testAuthority(options: TestAuthorityOptions = {}): TestAuthority {
  const now = options.now ?? new Date()
  const keyType = options.keyType ?? 'p256'
  const start = new Date(now.getTime() - MINUTE)
  const end = new Date(now.getTime() + 3650 * DAY)
  const unique = randomBytes(4).toString('hex')
  const rootKey = PrivateKey.generateSync(keyType)
  const issuerKey = PrivateKey.generateSync(keyType)
  const rootName = Name.from({ organization: 'Testing', commonName: `Test Root ${unique}` })
  const authority = {
    issuer: rootName,
    notBefore: start,
    notAfter: end,
    keyUsage: ['keyCertSign', 'cRLSign'],
    authorityKeyId: rootKey.publicKey.keyId(),
    ...constraints(options.constrain ?? []),
  } satisfies Partial<CertificateTemplate>
  const root = buildCertificate(
    { ...authority, subject: rootName, publicKey: rootKey.publicKey, ca: { pathLength: 1 } },
    rootKey.signer(),
  )
  const issuer = buildCertificate(
    {
      ...authority,
      subject: Name.from({ organization: 'Testing', commonName: `Test Issuer ${unique}` }),
      publicKey: issuerKey.publicKey,
      ca: { pathLength: 0 },
    },
    rootKey.signer(),
  )
  let crlNumber = 0n
  const crl = (list: TestCrlOptions = {}): CertificateRevocationList => {
    const thisUpdate = list.thisUpdate ?? start
    crlNumber += 1n
    return buildCrl(
      {
        issuer: list.ofRoot === true ? root : issuer,
        crlNumber,
        thisUpdate,
        nextUpdate: list.nextUpdate ?? new Date(now.getTime() + DAY),
        revoked: (list.revoked ?? []).map((revoked) => ({
          serialNumber: typeof revoked === 'string' ? revoked : revoked.serialNumber,
          date: thisUpdate,
          reason: list.reason,
        })),
      },
      list.ofRoot === true ? rootKey.signer() : issuerKey.signer(),
    )
  }
  return {
    root,
    rootKey,
    rootPem: root.pem,
    issuer,
    issuerKey,
    issuerPem: issuer.pem,
    issue(leaf) {
      const key = PrivateKey.generateSync(leaf.keyType ?? keyType)
      const certificate = buildCertificate(
        {
          ...leafNames(leaf),
          issuer: issuer.subject,
          publicKey: key.publicKey,
          notBefore: leaf.notBefore ?? start,
          notAfter: leaf.notAfter ?? new Date(now.getTime() + 7 * DAY),
          keyUsage: ['digitalSignature'],
          extendedKeyUsage: [
            ...(leaf.extendedKeyUsage ?? [leaf.client === true ? 'clientAuth' : 'serverAuth']),
          ],
          authorityKeyId: issuerKey.publicKey.keyId(),
          ...(options.crlUrl === undefined ? {} : { crlDistributionPoints: [options.crlUrl] }),
        },
        issuerKey.signer(),
      )
      return identity(certificate, key, issuer, root)
    },
    crl,
    crlPem: (list = {}) => {
      const { nextUpdate, thisUpdate } = list
      return crl(list).pem + crl({ ofRoot: true, nextUpdate, thisUpdate }).pem
    },
    write(folder) {
      return {
        roots: writeText(folder, 'roots.pem', root.pem),
        issuer: writeText(folder, 'issuer.pem', issuer.pem),
      }
    },
  }
}

function identity(
  certificate: Certificate,
  key: PrivateKey,
  issuer: Certificate,
  root: Certificate,
): TestIdentity {
  const chainPem = certificate.pem + issuer.pem
  const keyPem = key.toPem()
  return {
    certificate,
    certPem: certificate.pem,
    chainPem,
    key,
    keyPem,
    pkcs12: (password) =>
      encodePkcs12({ certificate, chain: [issuer], key, password, iterations: 2048 }),
    write(folder, name) {
      return {
        certificate: writeText(folder, `${name}.crt`, chainPem),
        key: writeText(folder, `${name}.key`, keyPem),
        pem: writeText(folder, `${name}.pem`, chainPem + keyPem),
        roots: writeText(folder, 'roots.pem', root.pem),
      }
    },
  }
}

function leafNames(leaf: TestIssueOptions): { subject: Name; subjectAltNames: GeneralName[] } {
  const [first = ''] = leaf.names
  const commonName = first.length <= 64 ? first : undefined
  return {
    subject: commonName === undefined ? Name.from({}) : Name.from({ commonName }),
    subjectAltNames: leaf.names.map((name) =>
      leaf.client === true && /^[\w -]+$/.test(name)
        ? parseGeneralName(`spiffe://testing/${encodeURIComponent(name)}`)
        : parseGeneralName(name),
    ),
  }
}

function constraints(trees: readonly string[]): Partial<CertificateTemplate> {
  if (trees.length === 0) return {}
  const permitted = trees.map((tree): GeneralName => {
    if (/^[\d.]+\/\d+$|:.*\/\d+$/.test(tree)) return { type: 'ip', value: tree }
    return { type: 'dns', value: tree.replace(/^\./, '') }
  })
  return { nameConstraints: { permitted } }
}

/** For its owner only: some of the files hold a key. */
function writeText(folder: string, name: string, text: string): string {
  const file = path.join(folder, name)
  writeFileSync(file, text, { mode: 0o600 })
  return file
}

const MINUTE = 60_000
const DAY = 86_400_000
