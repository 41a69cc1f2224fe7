/**
 * The extensions of a certificate or request: a list of bytes, each read into its type when it is asked for.
 *
 * @module
 */
import { DerReader } from './der-reader.ts'
import { TAG } from './der-tags.ts'
import {
  readAccessDescriptions,
  readAltNames,
  readAuthorityKeyIdentifier,
  readBasicConstraints,
  readCertificatePolicies,
  readDistributionPoints,
  readExtendedKeyUsage,
  readInhibitAnyPolicy,
  readKeyUsage,
  readNameConstraints,
  readPolicyConstraints,
  readPolicyMappings,
  readSubjectDirectoryAttributes,
  readSubjectKeyIdentifier,
} from './extension-readers.ts'
import type {
  AccessDescription,
  AuthorityKeyIdentifier,
  BasicConstraints,
  DirectoryAttribute,
  DistributionPoint,
  KeyUsage,
  NameConstraints,
  PolicyConstraints,
  PolicyInformation,
  PolicyMapping,
  RawExtension,
} from './extension-types.ts'
import type { GeneralName } from './general-name.ts'
import { reading } from './input.ts'
import { OID } from './oid.ts'
import { oidName } from './oid-names.ts'

/**
 * Extensions by name. Every reader answers `undefined` where the extension is absent and throws an X509Error
 * `extension-malformed` where it cannot be read.
 */
export class Extensions {
  /** Every extension, in the order of the certificate. */
  readonly all: readonly RawExtension[]
  readonly #source: string

  /** @param source - whose extensions they are, for messages */
  constructor(all: readonly RawExtension[], source: string) {
    this.all = all
    this.#source = source
  }

  /** An extension as bytes, by dotted object identifier. */
  get(oid: string): RawExtension | undefined {
    return this.all.find((extension) => extension.oid === oid)
  }

  /** The extensions that RFC 5280 §4.2 does not define. */
  get unknown(): readonly RawExtension[] {
    return this.all.filter((extension) => !KNOWN.has(extension.oid))
  }

  /** §4.2.1.1 */
  get authorityKeyIdentifier(): AuthorityKeyIdentifier | undefined {
    return this.#authorityKeyIdentifier()
  }

  /** §4.2.1.2 */
  get subjectKeyIdentifier(): Uint8Array | undefined {
    return this.#subjectKeyIdentifier()
  }

  /** §4.2.1.3 */
  get keyUsage(): readonly KeyUsage[] | undefined {
    return this.#keyUsage()
  }

  /** §4.2.1.4 */
  get certificatePolicies(): readonly PolicyInformation[] | undefined {
    return this.#certificatePolicies()
  }

  /** §4.2.1.5 */
  get policyMappings(): readonly PolicyMapping[] | undefined {
    return this.#policyMappings()
  }

  /** §4.2.1.6 */
  get subjectAltName(): readonly GeneralName[] | undefined {
    return this.#subjectAltName()
  }

  /** §4.2.1.7 */
  get issuerAltName(): readonly GeneralName[] | undefined {
    return this.#issuerAltName()
  }

  /** §4.2.1.8 */
  get subjectDirectoryAttributes(): readonly DirectoryAttribute[] | undefined {
    return this.#subjectDirectoryAttributes()
  }

  /** §4.2.1.9 */
  get basicConstraints(): BasicConstraints | undefined {
    return this.#basicConstraints()
  }

  /** §4.2.1.10 */
  get nameConstraints(): NameConstraints | undefined {
    return this.#nameConstraints()
  }

  /** §4.2.1.11 */
  get policyConstraints(): PolicyConstraints | undefined {
    return this.#policyConstraints()
  }

  /** §4.2.1.12: `serverAuth`, `clientAuth`, … or dotted object identifiers */
  get extendedKeyUsage(): readonly string[] | undefined {
    return this.#extendedKeyUsage()
  }

  /** §4.2.1.13 */
  get crlDistributionPoints(): readonly DistributionPoint[] | undefined {
    return this.#crlDistributionPoints()
  }

  /** §4.2.1.14 */
  get inhibitAnyPolicy(): number | undefined {
    return this.#inhibitAnyPolicy()
  }

  /** §4.2.1.15 */
  get freshestCrl(): readonly DistributionPoint[] | undefined {
    return this.#freshestCrl()
  }

  /** §4.2.2.1 */
  get authorityInfoAccess(): readonly AccessDescription[] | undefined {
    return this.#authorityInfoAccess()
  }

  /** §4.2.2.2 */
  get subjectInfoAccess(): readonly AccessDescription[] | undefined {
    return this.#subjectInfoAccess()
  }

  readonly #authorityKeyIdentifier = this.#lazy(
    OID.authorityKeyIdentifier,
    readAuthorityKeyIdentifier,
  )
  readonly #subjectKeyIdentifier = this.#lazy(OID.subjectKeyIdentifier, readSubjectKeyIdentifier)
  readonly #keyUsage = this.#lazy(OID.keyUsage, readKeyUsage)
  readonly #certificatePolicies = this.#lazy(OID.certificatePolicies, readCertificatePolicies)
  readonly #policyMappings = this.#lazy(OID.policyMappings, readPolicyMappings)
  readonly #subjectAltName = this.#lazy(OID.subjectAltName, readAltNames)
  readonly #issuerAltName = this.#lazy(OID.issuerAltName, readAltNames)
  readonly #subjectDirectoryAttributes = this.#lazy(
    OID.subjectDirectoryAttributes,
    readSubjectDirectoryAttributes,
  )
  readonly #basicConstraints = this.#lazy(OID.basicConstraints, readBasicConstraints)
  readonly #nameConstraints = this.#lazy(OID.nameConstraints, readNameConstraints)
  readonly #policyConstraints = this.#lazy(OID.policyConstraints, readPolicyConstraints)
  readonly #extendedKeyUsage = this.#lazy(OID.extendedKeyUsage, readExtendedKeyUsage)
  readonly #crlDistributionPoints = this.#lazy(OID.crlDistributionPoints, readDistributionPoints)
  readonly #inhibitAnyPolicy = this.#lazy(OID.inhibitAnyPolicy, readInhibitAnyPolicy)
  readonly #freshestCrl = this.#lazy(OID.freshestCrl, readDistributionPoints)
  readonly #authorityInfoAccess = this.#lazy(OID.authorityInfoAccess, readAccessDescriptions)
  readonly #subjectInfoAccess = this.#lazy(OID.subjectInfoAccess, readAccessDescriptions)

  /** A reader that looks once and remembers. */
  #lazy<T>(oid: string, read: (reader: DerReader) => T): () => T | undefined {
    let found: { value: T | undefined } | undefined
    return () => {
      found ??= { value: this.#read(oid, read) }
      return found.value
    }
  }

  #read<T>(oid: string, read: (reader: DerReader) => T): T | undefined {
    const extension = this.get(oid)
    if (extension === undefined) return undefined
    return reading('extension-malformed', this.#source, () => {
      const reader = DerReader.open(extension.value, oidName(oid) ?? oid)
      const value = read(reader)
      reader.finish('extension')
      return value
    })
  }
}

/**
 * Reads an Extensions SEQUENCE.
 *
 * @throws {@link X509Error} `der-malformed`, also where an extension stands there twice (RFC 5280 §4.2)
 */
export function readExtensions(reader: DerReader): RawExtension[] {
  const list = reader.sequence('extensions')
  const extensions: RawExtension[] = []
  const seen = new Set<string>()
  while (!list.isEmpty) {
    const fields = list.sequence('extension')
    const oid = fields.oid('extension')
    // DER leaves FALSE out as the default; some authorities write it all the same and everybody reads it.
    const critical = fields.has(TAG.boolean) ? fields.boolean('critical') : false
    const value = fields.octetString('extension value')
    fields.finish('extension')
    if (seen.has(oid)) {
      throw list.fault('extensions', `the extension ${oidName(oid) ?? oid} is there twice`)
    }
    seen.add(oid)
    extensions.push({ oid, critical, value })
  }
  return extensions
}

const KNOWN: ReadonlySet<string> = new Set([
  OID.authorityKeyIdentifier,
  OID.subjectKeyIdentifier,
  OID.keyUsage,
  OID.certificatePolicies,
  OID.policyMappings,
  OID.subjectAltName,
  OID.issuerAltName,
  OID.subjectDirectoryAttributes,
  OID.basicConstraints,
  OID.nameConstraints,
  OID.policyConstraints,
  OID.extendedKeyUsage,
  OID.crlDistributionPoints,
  OID.inhibitAnyPolicy,
  OID.freshestCrl,
  OID.authorityInfoAccess,
  OID.subjectInfoAccess,
])
