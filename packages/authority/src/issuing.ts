/**
 * From a request to a signed certificate: every check, then the signature. Nothing is stored here.
 *
 * Not here: the ledger. A certificate that this makes must not leave before `ledger-writer.ts` has it.
 *
 * @module
 */
import { checkOptions } from '@countersign/core'
import {
  type Certificate,
  type GeneralName,
  Name,
  type PublicKey,
  randomSerial,
  type Signer,
  X509Error,
} from '@countersign/x509'
import { keyIdOf } from './ca-certificates.ts'
import { checkConstraints, type NameLimits } from './constraints.ts'
import { AuthorityError } from './errors.ts'
import { checkKeyStrength } from './key-strength.ts'
import type { NewEntry } from './ledger-writer.ts'
import { buildLintedLater } from './lint-before-sign.ts'
import { checkNames, lifetimeMs, type Policy } from './policy.ts'
import { type Asker, checkRules } from './requester-rules.ts'
import { addressesOf, responderUrl } from './public-url.ts'
import { keyUsageOf, PROFILES, type ProfileName, parseProfile } from './profiles.ts'
import { nameText, type RequestedSubject, subjectOfRequest, subjectOfTexts } from './subject.ts'
import type { Issued, IssueRequest } from './issue-types.ts'
import { leafValidity } from './validity.ts'

/** What every issue is held against. */
export interface IssuingRules {
  readonly policy: Policy
  readonly trustDomain: string
  /** What the authority is constrained to, if it is. */
  readonly constraints: NameLimits | undefined
  readonly root: Certificate
  /** The root's name in the ledger. */
  readonly rootId: string
  readonly issuer: Certificate
  /** The issuer's name in the ledger. */
  readonly issuerId: string
  /** What a server sends after its leaf. */
  readonly chain: readonly [issuer: Certificate, ...cross: Certificate[]]
  /** The keys of every generation: none of them gets a leaf. */
  readonly authorityKeys: readonly PublicKey[]
  /** Where the authority is asked about certificates, if anywhere; without a slash at its end. */
  readonly publicUrl: string | undefined
}

/** A request that was found good. */
export interface ApprovedRequest extends RequestedSubject {
  readonly publicKey: PublicKey
  readonly profile: ProfileName
  readonly lifetimeMs: number
  readonly requester: string
  /** Which kind of rule allowed it. */
  readonly via: Asker['via']
}

/** A signed certificate and its entry of the ledger. */
export interface SignedLeaf {
  readonly issued: Issued
  readonly entry: NewEntry
}

/**
 * Checks a request.
 *
 * @throws {@link AuthorityError} `profile-unknown`, `requester-missing`, `days-invalid`, `key-ambiguous`, `request-signature`, `request-malformed`,
 *   `key-weak`, `key-unsupported`, `key-is-ca`, `names-missing`, `too-many-names`, `name-invalid`, `wildcard-too-wide`,
 *   `name-refused`, `name-constraint`, `requester-refused`, `profile-refused`, `key-refused`; CoreError `option-unknown`
 *
 * @param isRenewal - a lifetime that is too long by now is cut, not refused
 */
export function approve(
  request: IssueRequest,
  rules: IssuingRules,
  isRenewal = false,
): ApprovedRequest {
  checkOptions(request, REQUEST_OPTIONS, 'issue')
  const { policy, trustDomain, constraints } = rules
  const profile = parseProfile(request.profile)
  const requester = parseRequester(request.requester)
  const { publicKey, requestedNames } = readKey(request)
  checkKeyStrength(publicKey)
  if (rules.authorityKeys.some((key) => key.equals(publicKey))) {
    throw new AuthorityError('key-is-ca', "the key is the authority's own", {
      hint: 'a certificate for it would let its holder stand in for the authority: make a new key',
    })
  }
  const subject =
    request.names === undefined
      ? subjectOfRequest(requestedNames, profile, policy.maxNames)
      : subjectOfTexts(request.names, profile, trustDomain, policy.maxNames)
  checkNames(policy, subject.names)
  if (constraints !== undefined) checkConstraints(constraints, subject.names, subject.commonName)
  const { names } = subject
  const keyType = keyTypeOf(publicKey)
  const ruledDays = checkRules(policy.rules, request.by ?? OPERATOR, { profile, names, keyType })
  const maxDays = Math.min(policy.maxDays, ruledDays ?? policy.maxDays)
  const days =
    isRenewal && request.days !== undefined ? Math.min(request.days, maxDays) : request.days
  return {
    ...subject,
    publicKey,
    profile,
    lifetimeMs: lifetimeMs({ maxDays }, profile, days),
    requester,
    via: (request.by ?? OPERATOR).via,
  }
}

/**
 * Checks one of several requests; a refusal says which.
 *
 * @throws {@link AuthorityError} as {@link approve}
 */
export function approveOne(
  request: IssueRequest,
  rules: IssuingRules,
  index: number,
): ApprovedRequest {
  try {
    return approve(request, rules)
  } catch (error) {
    if (!(error instanceof AuthorityError)) throw error
    const { code, message, hint, refusedName } = error
    throw new AuthorityError(code, `request ${index + 1}: ${message}`, {
      hint,
      refusedName,
      cause: error,
    })
  }
}

/**
 * Signs a leaf with a new serial.
 *
 * @param crlPartition - the part of the issuer's certificates whose list it names; 0 for the list about all of them
 * @throws {@link AuthorityError} `clock-wrong`, `root-expired`, `issuer-expired`, `lint-refused`
 */
export async function signLeaf(
  approved: ApprovedRequest,
  rules: IssuingRules,
  signer: Signer,
  now: Date,
  crlPartition: number,
): Promise<SignedLeaf> {
  const { publicKey, profile, commonName, names, requester } = approved
  const { issuer, root, publicUrl } = rules
  const { crlUrl, issuerUrl } = addressesOf(publicUrl, rules.issuerId, crlPartition)
  const ocspUrl = responderUrl(publicUrl)
  const validity = leafValidity(now, approved.lifetimeMs, issuer, root)
  const certificate = await buildLintedLater(
    {
      subject: Name.from({ commonName }),
      issuer: issuer.subject,
      publicKey,
      serialNumber: randomSerial(),
      notBefore: validity.notBefore,
      notAfter: validity.notAfter,
      subjectAltNames: names,
      keyUsage: keyUsageOf(publicKey),
      extendedKeyUsage: PROFILES[profile].extendedKeyUsage,
      authorityKeyId: keyIdOf(issuer),
      crlDistributionPoints: crlUrl === undefined ? undefined : [crlUrl],
      authorityInfoAccess:
        issuerUrl === undefined || ocspUrl === undefined
          ? undefined
          : { ocsp: [ocspUrl], caIssuers: [issuerUrl] },
    },
    signer,
    profile,
  )
  const texts = names.map(nameText)
  const entry: NewEntry = {
    ca: rules.issuerId,
    serial: certificate.serialNumber,
    profile,
    requester,
    // A user is looked for by the name that was asked for, not by the SPIFFE ID made from it.
    names: [...new Set(commonName === undefined ? texts : [commonName, ...texts])].join('\n'),
    key_type: keyTypeOf(publicKey),
    fingerprint: certificate.fingerprint,
    certificate: certificate.der,
    not_before: certificate.notBefore.getTime(),
    not_after: certificate.notAfter.getTime(),
    issued_at: now.getTime(),
    root: rules.rootId,
    crl_partition: crlPartition,
  }
  const issued: Issued = {
    certificate,
    chain: [certificate, ...rules.chain],
    serialNumber: certificate.serialNumber,
    cutToIssuer: validity.cutToIssuer,
  }
  return { issued, entry }
}

interface KeyAndNames {
  readonly publicKey: PublicKey
  readonly requestedNames: readonly GeneralName[]
}

/** The key to certify; a signing request must be signed with it (RFC 2986 §4.2: the proof that its owner asks). */
function readKey({ csr, publicKey }: IssueRequest): KeyAndNames {
  if (publicKey !== undefined && csr === undefined) return { publicKey, requestedNames: [] }
  if (csr === undefined || publicKey !== undefined) {
    throw new AuthorityError(
      'key-ambiguous',
      'a certificate needs either a signing request or a public key',
      { hint: 'give one of csr and publicKey' },
    )
  }
  try {
    if (csr.verify()) return { publicKey: csr.publicKey, requestedNames: csr.subjectAltNames }
  } catch (error) {
    // What is inside is read only now, and may be damaged under a good signature.
    if (!(error instanceof X509Error)) throw error
    const { message, hint } = error
    throw new AuthorityError('request-malformed', message, { hint, cause: error })
  }
  throw new AuthorityError(
    'request-signature',
    'the signing request is not signed with the key in it',
    { hint: 'make the request again, with the private key that belongs to it' },
  )
}

/** `p256`, or what the key is called where it is none of ours. */
function keyTypeOf(publicKey: PublicKey): string {
  return publicKey.type ?? publicKey.description
}

function parseRequester(text: unknown): string {
  if (typeof text === 'string' && /^[^\p{Cc}]{1,200}$/u.test(text)) return text
  throw new AuthorityError(
    'requester-missing',
    'requester must say who asks, in 1 to 200 characters',
  )
}

/** Who asks where nobody says: whoever calls the library holds the keys. */
const OPERATOR: Asker = { via: 'operator', name: 'operator' }
const REQUEST_OPTIONS = ['names', 'csr', 'publicKey', 'profile', 'days', 'requester', 'by'] as const
