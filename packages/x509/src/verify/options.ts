/**
 * The options of {@link verifyChain}, turned once into what the rest works with.
 *
 * @module
 */
import { checkOptions, CoreError } from '@countersign/core'
import { Certificate } from '../certificate.ts'
import { CertificateRevocationList } from '../crl.ts'
import type { ReferenceName } from '../match-name.ts'
import { OcspResponse } from '../ocsp-response.ts'
import { isOid } from '../oid.ts'
import {
  type CertificateInput,
  NameIndex,
  readCertificates,
  TrustAnchors,
} from './trust-anchors.ts'

/** Where a revocation list is taken: ours, PEM text (of one or more), the same as bytes, or DER. */
export type CrlInput = CertificateRevocationList | string | Uint8Array

/** Where an OCSP response is taken: ours, DER, or PEM text (of one or more). */
export type OcspInput = OcspResponse | string | Uint8Array

/** What {@link verifyChain} takes. */
export interface VerifyOptions {
  /** The certificate in question. A PEM of several is a chain as servers send it: the first is the leaf. */
  leaf: CertificateInput
  /** Whatever else was sent, in any order; superfluous ones do no harm. @defaultValue none */
  intermediates?: CertificateInput | readonly CertificateInput[] | undefined
  /** What is trusted. Whoever verifies often gives a {@link TrustAnchors}. */
  roots: CertificateInput | readonly CertificateInput[] | TrustAnchors
  /** What the leaf is for. @defaultValue `server` */
  purpose?: 'server' | 'client' | 'any' | undefined
  /** The name it must be for. @defaultValue none: any name */
  name?: ReferenceName | undefined
  /** @defaultValue now */
  time?: Date | undefined
  /** How many intermediates there may be; self-issued ones do not count. @defaultValue 10, 100 for `openssl` */
  maxDepth?: number | undefined
  /** Revocation lists, in any order. @defaultValue none */
  crls?: CrlInput | readonly CrlInput[] | undefined
  /** OCSP responses, such as the one a server staples, in any order; `openssl` does not read them. @defaultValue none */
  ocsp?: OcspInput | readonly OcspInput[] | undefined
  /**
   * Whose revocation is checked: the leaf's, or that of every certificate below the anchor (the anchor too for `openssl`).
   * Where there is neither a list nor an OCSP answer the chain is refused.
   *
   * @defaultValue `chain` where `crls` are given, `leaf` where only `ocsp` is, else `off`
   */
  revocation?: 'off' | 'leaf' | 'chain' | undefined
  /** What a list or an OCSP answer is worth after its `nextUpdate`. @defaultValue `refuse` */
  staleCrls?: 'refuse' | 'accept' | undefined
  /** Certificate policies of which one must hold for the whole chain (RFC 5280 §6.1.1). @defaultValue any, or none at all */
  policies?: readonly string[] | undefined
  /**
   * `strict`: what we accept. `openssl`: what the TLS of Node 24 is expected to accept, partial chains off.
   *
   * @defaultValue `strict`
   */
  profile?: 'strict' | 'openssl' | undefined
}

/** {@link VerifyOptions}, read and complete. */
export interface Settings {
  readonly leaf: Certificate
  readonly intermediates: NameIndex
  readonly anchors: TrustAnchors
  readonly purpose: 'server' | 'client' | 'any'
  readonly name: ReferenceName | undefined
  readonly time: Date
  readonly maxDepth: number
  readonly crls: readonly CertificateRevocationList[]
  readonly ocsp: readonly OcspResponse[]
  readonly revocation: 'off' | 'leaf' | 'chain'
  readonly acceptStale: boolean
  readonly policies: readonly string[] | undefined
  readonly strict: boolean
}

/** Reads and checks the options; the errors are those of {@link verifyChain}. */
export function readSettings(options: VerifyOptions): Settings {
  checkOptions(options, OPTIONS, 'verifyChain')
  const [leaf, ...sent] = readCertificates(options.leaf, 'leaf')
  if (leaf === undefined) throw invalid('leaf', 'holds no certificate')
  const intermediates = new NameIndex([
    ...sent,
    ...readCertificates(options.intermediates, 'intermediates'),
  ])
  const { roots, name, crls, ocsp, policies } = options
  if (roots === undefined) throw invalid('roots', 'is missing')
  const profile = oneOf('profile', options.profile ?? 'strict', ['strict', 'openssl'])
  const strict = profile === 'strict'
  const time = options.time ?? new Date()
  if (!(time instanceof Date) || Number.isNaN(time.getTime())) throw invalid('time', 'is no date')
  const maxDepth = options.maxDepth ?? (strict ? 10 : 100)
  if (!Number.isSafeInteger(maxDepth) || maxDepth < 0) {
    throw invalid('maxDepth', 'must be a whole number, 0 or more')
  }
  if (name !== undefined) checkName(name)
  if (policies !== undefined && !policies.every(isOid)) {
    throw invalid('policies', 'must be dotted object identifiers')
  }
  const lists = readCrls(crls)
  const byDefault = crls === undefined ? (ocsp === undefined ? 'off' : 'leaf') : 'chain'
  const revocation = options.revocation ?? byDefault
  return {
    leaf,
    intermediates,
    anchors: roots instanceof TrustAnchors ? roots : new TrustAnchors(roots),
    purpose: oneOf('purpose', options.purpose ?? 'server', ['server', 'client', 'any']),
    name,
    time,
    maxDepth,
    crls: lists,
    ocsp: readOcspResponses(ocsp),
    revocation: oneOf('revocation', revocation, ['off', 'leaf', 'chain']),
    acceptStale: oneOf('staleCrls', options.staleCrls ?? 'refuse', STALE) === 'accept',
    policies,
    strict,
  }
}

function readCrls(input: CrlInput | readonly CrlInput[] | undefined): CertificateRevocationList[] {
  if (input === undefined) return []
  if (typeof input === 'string' || input instanceof Uint8Array) {
    return CertificateRevocationList.parseAll(input, 'crls')
  }
  if (input instanceof CertificateRevocationList) return [input]
  return input.flatMap((one) =>
    one instanceof CertificateRevocationList
      ? [one]
      : CertificateRevocationList.parseAll(one, 'crls'),
  )
}

/** Reads responses of every form that is taken; the errors are those of `OcspResponse.parseAll`. */
export function readOcspResponses(
  input: OcspInput | readonly OcspInput[] | undefined,
): OcspResponse[] {
  if (input === undefined) return []
  const list = typeof input === 'string' || !Array.isArray(input) ? [input] : input
  return list.flatMap((one: OcspInput) =>
    one instanceof OcspResponse ? [one] : OcspResponse.parseAll(one, 'ocsp'),
  )
}

function checkName(name: ReferenceName): void {
  checkOptions(name, ['dns', 'ip', 'email'], 'verifyChain name')
  const values = Object.values(name)
  if (values.length !== 1 || typeof values[0] !== 'string' || values[0] === '') {
    throw invalid('name', 'must be one of { dns }, { ip } and { email }')
  }
}

function oneOf<Value extends string>(
  option: string,
  value: Value,
  allowed: readonly Value[],
): Value {
  if (allowed.includes(value)) return value
  throw invalid(option, `must be one of ${allowed.join(', ')}`)
}

function invalid(option: string, fault: string): CoreError {
  return new CoreError('option-invalid', `verifyChain: the option "${option}" ${fault}`)
}

const STALE = ['refuse', 'accept'] as const
const OPTIONS: readonly (keyof VerifyOptions)[] = [
  'leaf',
  'intermediates',
  'roots',
  'purpose',
  'name',
  'time',
  'maxDepth',
  'crls',
  'ocsp',
  'revocation',
  'staleCrls',
  'policies',
  'profile',
]
