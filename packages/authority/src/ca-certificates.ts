/**
 * The certificates of the authority itself: a root for ten years that signs issuers only, an issuer for a year that
 * signs leaves only.
 *
 * Every generation has a subject of its own. Two roots of one name and different keys leave clients that hold the
 * older one with a bad signature instead of an unknown issuer.
 *
 * @module
 */
import { type Certificate, Name, type PrivateKey, type SyncSigner } from '@countersign/x509'
import { randomBytes } from 'node:crypto'
import { nameConstraintsOf } from './constraints.ts'
import { buildLinted } from './lint-before-sign.ts'
import type { NameSpace } from './name-space.ts'
import type { PublicAddresses } from './public-url.ts'

/** Which of the two a certificate authority is. */
export type CaKind = 'root' | 'issuer'

/** A certificate authority that was just made. */
export interface NewCa {
  /** `root-2026-a1b2`: names the CRL and the row in the ledger. */
  readonly id: string
  readonly key: PrivateKey
  readonly certificate: Certificate
}

/** What a certificate authority is made from. */
export interface CaRequest {
  readonly organization: string
  readonly key: PrivateKey
  /** Backdated already. */
  readonly notBefore: Date
  readonly constraints: NameSpace | undefined
}

/** Makes a self-signed root: ten years, one level below it. */
export function makeRoot(request: CaRequest): NewCa {
  const { organization, key, notBefore, constraints } = request
  const { id, subject } = identify('root', organization, notBefore)
  const certificate = buildLinted(
    {
      subject,
      issuer: subject,
      publicKey: key.publicKey,
      notBefore,
      notAfter: addYears(notBefore, ROOT_YEARS),
      ca: { pathLength: 1 },
      keyUsage: ['keyCertSign', 'cRLSign'],
      authorityKeyId: key.publicKey.keyId(),
      nameConstraints: constraints === undefined ? undefined : nameConstraintsOf(constraints),
    },
    key.signer(),
    'root',
  )
  return { id, key, certificate }
}

/** Makes an issuer under a root: one year, cut to the root's end, nothing but leaves below it. */
export function makeIssuer(
  request: CaRequest & {
    readonly root: Certificate
    readonly rootSigner: SyncSigner
    /** Where the root's revocation list and certificate are, if anywhere. */
    readonly rootAddresses: PublicAddresses
  },
): NewCa {
  const { organization, key, notBefore, constraints, root, rootSigner } = request
  const { crlUrl, issuerUrl } = request.rootAddresses
  const { id, subject } = identify('issuer', organization, notBefore)
  const end = addYears(notBefore, ISSUER_YEARS)
  const certificate = buildLinted(
    {
      subject,
      issuer: root.subject,
      publicKey: key.publicKey,
      notBefore,
      notAfter: end < root.notAfter ? end : root.notAfter,
      ca: { pathLength: 0 },
      keyUsage: ['keyCertSign', 'cRLSign'],
      authorityKeyId: root.publicKey.keyId(),
      nameConstraints: constraints === undefined ? undefined : nameConstraintsOf(constraints),
      crlDistributionPoints: crlUrl === undefined ? undefined : [crlUrl],
      authorityInfoAccess: issuerUrl === undefined ? undefined : { caIssuers: [issuerUrl] },
    },
    rootSigner,
    'issuer',
  )
  return { id, key, certificate }
}

function identify(kind: CaKind, organization: string, date: Date): { id: string; subject: Name } {
  const generation = `${date.getUTCFullYear()} ${randomBytes(2).toString('hex')}`
  const title = kind === 'root' ? 'Root' : 'Issuer'
  // A common name holds 64 characters (RFC 5280 appendix A.1), of which " Issuer 2026 a1b2" takes 17.
  const owner = Array.from(organization).slice(0, 47).join('').trim()
  return {
    id: `${kind}-${generation.replace(' ', '-')}`,
    subject: Name.from({ organization, commonName: `${owner} ${title} ${generation}` }),
  }
}

function addYears(date: Date, years: number): Date {
  const end = new Date(date)
  end.setUTCFullYear(end.getUTCFullYear() + years)
  return end
}

const ROOT_YEARS = 10
const ISSUER_YEARS = 1
