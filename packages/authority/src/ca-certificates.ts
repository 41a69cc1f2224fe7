/**
 * The certificates of the authority itself: a root for ten years that signs issuers and its successor, an issuer for a year
 * that signs leaves only, and the cross-certificate that leads clients of one root to the next (`docs/design/rollover.md`).
 *
 * Every generation has a subject of its own. Two roots of one name and different keys leave clients that hold the
 * older one with a bad signature instead of an unknown issuer.
 *
 * @module
 */
import {
  type Certificate,
  Name,
  type NameConstraints,
  type PrivateKey,
  type PublicKey,
  type SyncSigner,
} from '@countersign/x509'
import { randomBytes } from 'node:crypto'
import { nameConstraintsOf } from './constraints.ts'
import { AuthorityError } from './errors.ts'
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
  /** Of the root before, where they were taken over and are no space of names. */
  readonly inherited?: NameConstraints | undefined
}

/** Makes a self-signed root: ten years, two levels below it, which are its successor and that one's issuer. */
export function makeRoot(request: CaRequest): NewCa {
  const { organization, key, notBefore, constraints, inherited } = request
  const { id, subject } = identify('root', organization, notBefore)
  const certificate = buildLinted(
    {
      subject,
      issuer: subject,
      publicKey: key.publicKey,
      notBefore,
      notAfter: addYears(notBefore, ROOT_YEARS),
      ca: { pathLength: ROOT_PATH_LENGTH },
      keyUsage: ['keyCertSign', 'cRLSign'],
      authorityKeyId: key.publicKey.keyId(),
      nameConstraints: constraints === undefined ? inherited : nameConstraintsOf(constraints),
    },
    key.signer(),
    'root',
  )
  return { id, key, certificate }
}

/** What a root is asked to sign. */
export interface CertifyRequest {
  readonly notBefore: Date
  readonly constraints: NameSpace | undefined
  /** Of the issuer before, where they were taken over. @defaultValue those of the root: Java ignores what stands there alone */
  readonly inherited?: NameConstraints | undefined
  readonly root: Certificate
  readonly rootSigner: SyncSigner
  /** Where the root's revocation list and certificate are, if anywhere. */
  readonly rootAddresses: PublicAddresses
}

/** Makes an issuer under a root: one year, cut to the root's end, nothing but leaves below it. */
export function makeIssuer(
  request: CertifyRequest & { readonly organization: string; readonly key: PrivateKey },
): NewCa {
  const { key } = request
  return { key, ...makeIssuerFor({ ...request, publicKey: key.publicKey }) }
}

/** The same where its key is elsewhere. */
export function makeIssuerFor(
  request: CertifyRequest & { readonly organization: string; readonly publicKey: PublicKey },
): Omit<NewCa, 'key'> {
  const { organization, publicKey, notBefore } = request
  const { id, subject } = identify('issuer', organization, notBefore)
  return { id, certificate: certifyIssuer(request, subject, publicKey) }
}

/**
 * A certificate for the key of an issuer: its first, its next when that one ends, or its first under another root. Leaves name
 * the key alone, so that they verify with each of them.
 *
 * @param keyId - what they call it @defaultValue the key's own id
 */
export function certifyIssuer(
  request: CertifyRequest,
  subject: Name,
  publicKey: PublicKey,
  keyId?: Uint8Array,
): Certificate {
  const { constraints, root, inherited = root.extensions.nameConstraints } = request
  const nameConstraints = constraints === undefined ? inherited : nameConstraintsOf(constraints)
  const end = addYears(request.notBefore, ISSUER_YEARS)
  return certify(request, { subject, publicKey, keyId, end, pathLength: 0, nameConstraints })
}

/** How certificates below name the key of an authority: as its own certificate does, which need not be our way. */
export function keyIdOf({ extensions, publicKey }: Certificate): Uint8Array {
  return extensions.subjectKeyIdentifier ?? publicKey.keyId()
}

/**
 * A certificate for the key of a root by the root before it. It ends with the first of the two. Constraints stand in that root, in
 * the new one and in the issuer, and not here: Java 17 fails where it has to merge the excluded addresses of two certificates.
 *
 * @throws {@link AuthorityError} `cross-sign-impossible` where the root before allows no authority that has one below it
 */
export function crossCertify(request: CertifyRequest, successor: Certificate): Certificate {
  const { root } = request
  const { pathLength } = root.extensions.basicConstraints ?? {}
  if (pathLength !== undefined && pathLength < ROOT_PATH_LENGTH) {
    throw new AuthorityError(
      'cross-sign-impossible',
      `${root.subject.toString()} may have only ${pathLength} authority below it, and its successor with an issuer makes two`,
      {
        hint: 'make another authority, and let clients trust both roots while certificates move',
      },
    )
  }
  const { subject, publicKey, notAfter: end } = successor
  return certify(request, {
    subject,
    publicKey,
    keyId: keyIdOf(successor),
    end,
    pathLength: ROOT_PATH_LENGTH - 1,
    nameConstraints: undefined,
  })
}

function certify(
  request: CertifyRequest,
  what: {
    readonly subject: Name
    readonly publicKey: PublicKey
    readonly keyId?: Uint8Array | undefined
    readonly end: Date
    readonly pathLength: number
    readonly nameConstraints: NameConstraints | undefined
  },
): Certificate {
  const { notBefore, root, rootSigner } = request
  const { crlUrl, issuerUrl } = request.rootAddresses
  const { subject, publicKey, keyId, end, pathLength, nameConstraints } = what
  return buildLinted(
    {
      subject,
      issuer: root.subject,
      publicKey,
      notBefore,
      notAfter: end < root.notAfter ? end : root.notAfter,
      ca: { pathLength },
      keyUsage: ['keyCertSign', 'cRLSign'],
      subjectKeyId: keyId,
      authorityKeyId: keyIdOf(root),
      nameConstraints,
      crlDistributionPoints: crlUrl === undefined ? undefined : [crlUrl],
      authorityInfoAccess: issuerUrl === undefined ? undefined : { caIssuers: [issuerUrl] },
    },
    rootSigner,
    'issuer',
  )
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

/** Below a root stands its successor, and below that one an issuer. */
const ROOT_PATH_LENGTH = 2
const ROOT_YEARS = 10
const ISSUER_YEARS = 1
