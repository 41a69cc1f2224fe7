/**
 * Certificate revocation lists (RFC 5280 §5): reading and checking.
 *
 * A list of 100,000 entries is checked once when it is parsed and then kept as bytes; nothing is made of an entry before
 * it is asked for. Not here: making lists, see `build-crl.ts`.
 *
 * @module
 */
import { hash } from 'node:crypto'
import type { Certificate } from './certificate.ts'
import { type RevokedCertificate, normaliseSerial, readEntry } from './crl-entry.ts'
import {
  addPlaces,
  type CrlIndex,
  emptyPlaces,
  entryAt,
  findPlace,
  type SerialPlaces,
  serialContent,
} from './crl-serials.ts'
import { indexInSlices, nextTurn, readInSlices, SLICED_BYTES } from './crl-slices.ts'
import { DerReader } from './der-reader.ts'
import { TAG, contextConstructedTag } from './der-tags.ts'
import { X509Error } from './errors.ts'
import { Extensions, readExtensions } from './extensions.ts'
import { describeBlocks, reading, readInput } from './input.ts'
import {
  type IssuingDistributionPoint,
  readIssuingDistributionPoint,
} from './issuing-distribution-point.ts'
import { Name } from './name.ts'
import { OID } from './oid.ts'
import { encodePem } from './pem.ts'
import type { PublicKey } from './public-key.ts'
import { signatureAlgorithmName, verifySignature } from './signature.ts'

/** A certificate revocation list. Iterating gives its entries, in its order. */
export class CertificateRevocationList implements Iterable<RevokedCertificate> {
  readonly der: Uint8Array
  /** 1 or 2. */
  readonly version: number
  readonly issuer: Name
  readonly thisUpdate: Date
  /** When the next list comes at the latest; RFC 5280 demands it, old lists lack it. */
  readonly nextUpdate: Date | undefined
  /** How many certificates are revoked. */
  readonly size: number
  readonly extensions: Extensions
  /** Grows with every list of an issuer (RFC 5280 §5.2.3). */
  readonly number: bigint | undefined
  /** Key identifier of the issuer's key, lower-case hex. */
  readonly authorityKeyId: string | undefined
  readonly issuingDistributionPoint: IssuingDistributionPoint | undefined
  /** It holds only what changed since another list (RFC 5280 §5.2.4): alone it says nothing. */
  readonly isDelta: boolean
  /**
   * Critical extensions, of the list or of an entry, that are not understood here; with any of them the list must
   * not be used (RFC 5280 §5.2 and §5.3).
   */
  readonly unknownCriticalExtensions: readonly string[]
  readonly #parts: Parts
  #places: SerialPlaces | undefined

  private constructor(der: Uint8Array, known?: CrlIndex) {
    const parts = readParts(der, known)
    const extensions = new Extensions(parts.extensions, 'list')
    const unknown = parts.extensions.filter(({ oid, critical }) => critical && !KNOWN.has(oid))
    this.der = der
    this.version = parts.version
    this.issuer = parts.issuer
    this.thisUpdate = parts.thisUpdate
    this.nextUpdate = parts.nextUpdate
    this.size = parts.size
    this.extensions = extensions
    this.number = readNumber(extensions)
    this.authorityKeyId = readAuthorityKeyId(extensions)
    this.issuingDistributionPoint = readIssuingDistributionPoint(extensions)
    this.isDelta = extensions.get(OID.deltaCrlIndicator) !== undefined
    this.unknownCriticalExtensions = [
      ...new Set([...unknown.map(({ oid }) => oid), ...parts.unknownCritical]),
    ]
    this.#parts = parts
    this.#places = known
  }

  /**
   * Reads one list: PEM (`X509 CRL`) or DER, at most 64 MiB. Every entry is checked, so nothing that is read later fails.
   *
   * @param source - where it came from, for messages
   * @throws {@link X509Error} `crl-missing` where there is none, `crl-several`, `crl-malformed`, the `pem-` codes
   */
  static parse(
    pemOrDer: string | Uint8Array,
    source = 'revocation list',
  ): CertificateRevocationList {
    const [first, ...others] = CertificateRevocationList.parseAll(pemOrDer, source)
    if (first === undefined || others.length > 0) {
      throw new X509Error('crl-several', `${source} holds ${others.length + 1} revocation lists`, {
        source,
      })
    }
    return first
  }

  /**
   * Reads every list of a PEM, or the one of a DER.
   *
   * @returns one list or more, never an empty array
   * @throws {@link X509Error} as {@link CertificateRevocationList.parse}
   */
  static parseAll(
    pemOrDer: string | Uint8Array,
    source = 'revocation list',
  ): CertificateRevocationList[] {
    const input = readInput(pemOrDer, source, 'crl-malformed')
    if (input instanceof Uint8Array) return [CertificateRevocationList.fromDer(input, source)]
    const blocks = input.filter(({ label }) => LABELS.has(label))
    if (blocks.length === 0) {
      throw new X509Error(
        'crl-missing',
        `${source} holds no revocation list (${describeBlocks(input)})`,
        {
          source,
        },
      )
    }
    return blocks.map(({ der }) => CertificateRevocationList.fromDer(der, source))
  }

  /**
   * As {@link CertificateRevocationList.parseAll}, in slices of a few milliseconds with a turn of the event loop between them, so
   * that a list of 100,000 entries holds nobody up. {@link CertificateRevocationList.has} is then ready as well.
   */
  static async parseAllInSlices(
    pemOrDer: string | Uint8Array,
    source = 'revocation list',
  ): Promise<CertificateRevocationList[]> {
    const ders = pemOrDer.length < SLICED_BYTES ? undefined : await readInSlices(pemOrDer, source)
    // A short one, an unusual one or none at all: then with the words for it.
    if (ders === undefined) return CertificateRevocationList.parseAll(pemOrDer, source)
    const lists: CertificateRevocationList[] = []
    for (const der of ders) {
      await nextTurn()
      const known = await reading('crl-malformed', source, () => {
        const { content } = readParts(der, { size: 0, unknownCritical: [] })
        return indexInSlices(content, source)
      })
      lists.push(CertificateRevocationList.#fromDer(der, source, known))
    }
    return lists
  }

  /**
   * Reads a DER without copying it.
   *
   * @param der - must not change afterwards
   */
  static fromDer(der: Uint8Array, source = 'revocation list'): CertificateRevocationList {
    return CertificateRevocationList.#fromDer(der, source)
  }

  /**
   * Takes over a list that another thread has read, without reading its entries again.
   *
   * @param der - must not change afterwards
   * @param index - the {@link index} of the same bytes: it is believed
   * @throws {@link X509Error} `crl-malformed`
   */
  static fromIndex(
    der: Uint8Array,
    index: CrlIndex,
    source = 'revocation list',
  ): CertificateRevocationList {
    return CertificateRevocationList.#fromDer(der, source, index)
  }

  static #fromDer(der: Uint8Array, source: string, known?: CrlIndex): CertificateRevocationList {
    try {
      return reading('crl-malformed', source, () => new CertificateRevocationList(der, known))
    } catch (error) {
      if (!(error instanceof X509Error) || error.code === 'crl-malformed') throw error
      throw new X509Error('crl-malformed', `${source}: ${error.message}`, { source, cause: error })
    }
  }

  /** PEM, `X509 CRL`: the label OpenSSL reads. */
  get pem(): string {
    return encodePem('X509 CRL', this.der)
  }

  /** SHA-256 over the DER, lower-case hex. */
  get fingerprint(): string {
    return hash('sha256', this.der)
  }

  /** As OpenSSL names it: `ecdsa-with-SHA256`. */
  get signatureAlgorithm(): string {
    return signatureAlgorithmName(this.#parts.algorithm)
  }

  *[Symbol.iterator](): Iterator<RevokedCertificate> {
    const list = openEntries(this.#parts.content)
    while (!list.isEmpty) {
      const { unknownCritical: _, ...entry } = readEntry(list)
      yield entry
    }
  }

  /**
   * Whether a certificate is on the list.
   *
   * @param serialNumber - hex of either case, with or without colons; a text that is none is not on the list
   */
  has(serialNumber: string): boolean {
    return this.#find(serialNumber) !== undefined
  }

  /** The entry of a certificate, or `undefined` where it is not on the list. */
  get(serialNumber: string): RevokedCertificate | undefined {
    const found = this.#find(serialNumber)
    if (found === undefined) return undefined
    const { unknownCritical: _, ...entry } = readEntry(openEntries(found))
    return entry
  }

  /** What reading the entries found out, for another thread: see {@link fromIndex}. */
  get index(): CrlIndex {
    const { size, unknownCritical } = this.#parts
    return { size, unknownCritical, ...this.#placesOf(this.#parts) }
  }

  /** The bytes of the entry of a certificate. */
  #find(serialNumber: string): Uint8Array | undefined {
    const serial = normaliseSerial(serialNumber)
    const { content } = this.#parts
    if (serial === undefined || content.length === 0) return undefined
    const at = findPlace(this.#placesOf(this.#parts), content, serialContent(serial))
    return at < 0 ? undefined : entryAt(content, at)
  }

  #placesOf({ size, content }: Parts): SerialPlaces {
    if (this.#places === undefined) {
      this.#places = emptyPlaces(size)
      addPlaces(this.#places, content, 0, size)
    }
    return this.#places
  }

  /** Whether the list is in force: not from the future, and no newer one is due. */
  isValidAt(date: Date): boolean {
    return this.thisUpdate <= date && (this.nextUpdate === undefined || date <= this.nextUpdate)
  }

  /** Whether this key made the signature. */
  verifySignature(issuerKey: PublicKey): boolean {
    const { algorithm, tbs, signature } = this.#parts
    return verifySignature(algorithm, issuerKey, tbs, signature)
  }

  /** Whether the list is of this authority: by name, key identifier and signature. */
  issuedBy(candidate: Certificate): boolean {
    return this.claimsIssuer(candidate) && this.verifySignature(candidate.publicKey)
  }

  /** Whether the list says that it is of this authority, by name and key identifier: anybody can say so. */
  claimsIssuer(candidate: Certificate): boolean {
    if (!this.issuer.equals(candidate.subject)) return false
    const keyId = candidate.subjectKeyId
    return this.authorityKeyId === undefined || keyId === undefined || keyId === this.authorityKeyId
  }
}

interface Parts {
  version: number
  issuer: Name
  thisUpdate: Date
  nextUpdate: Date | undefined
  /** Of the SEQUENCE OF entries. */
  content: Uint8Array
  size: number
  unknownCritical: readonly string[]
  extensions: ReturnType<typeof readExtensions>
  algorithm: Uint8Array
  tbs: Uint8Array
  signature: Uint8Array
}

/** @param known - of entries that were read before, so that they are not read again */
function readParts(der: Uint8Array, known?: Pick<Parts, 'size' | 'unknownCritical'>): Parts {
  const outer = DerReader.open(der, 'list', { maxBytes: MAX_BYTES })
  const list = outer.sequence('CertificateList')
  outer.finish('CertificateList')
  const tbs = list.element('tbsCertList', TAG.sequence)
  const algorithm = list.element('signatureAlgorithm', TAG.sequence)
  const { bytes: signature, unusedBits } = list.bitString('signature')
  if (unusedBits !== 0) throw list.fault('signature', 'not a whole number of bytes')
  list.finish('CertificateList')

  const fields = DerReader.open(tbs, 'list', { maxBytes: MAX_BYTES }).sequence('tbsCertList')
  const version = fields.has(TAG.integer) ? fields.smallInteger('version') + 1 : 1
  if (version > 2 || (version === 1 && fields.has(TAG.integer))) {
    throw fields.fault('version', `${version}, expected 2`)
  }
  const inner = fields.element('signature', TAG.sequence)
  if (Buffer.compare(inner, algorithm) !== 0) {
    throw fields.fault('signature', 'not the algorithm the list is signed with')
  }
  const issuer = Name.fromDer(fields.element('issuer', TAG.sequence))
  // Read now, so that a malformed name is found now.
  if (issuer.rdns.length === 0) throw fields.fault('issuer', 'an empty name')
  const thisUpdate = fields.time('thisUpdate')
  const hasNext = fields.has(TAG.utcTime) || fields.has(TAG.generalizedTime)
  const nextUpdate = hasNext ? fields.time('nextUpdate') : undefined
  const content = fields.has(TAG.sequence)
    ? fields.content(TAG.sequence, 'revokedCertificates')
    : NO_BYTES
  const explicit = fields.optional(contextConstructedTag(0), 'crlExtensions')
  fields.finish('tbsCertList')
  if (explicit !== undefined && version === 1) {
    throw fields.fault('crlExtensions', 'extensions in a list of version 1')
  }
  const extensions = explicit === undefined ? [] : readExtensions(explicit)
  explicit?.finish('crlExtensions')
  return {
    version,
    issuer,
    thisUpdate,
    nextUpdate,
    content,
    ...(known === undefined
      ? checkEntries(content)
      : { size: known.size, unknownCritical: known.unknownCritical }),
    extensions,
    algorithm,
    tbs,
    signature,
  }
}

/** Reads every entry once, and keeps nothing of it but the count. */
function checkEntries(content: Uint8Array): Pick<Parts, 'size' | 'unknownCritical'> {
  const unknownCritical = new Set<string>()
  let size = 0
  for (const list = openEntries(content); !list.isEmpty; size++) {
    for (const oid of readEntry(list).unknownCritical) unknownCritical.add(oid)
  }
  return { size, unknownCritical: [...unknownCritical] }
}

/** @param content - of the SEQUENCE OF entries */
function openEntries(content: Uint8Array): DerReader {
  return DerReader.open(content, 'list', { maxBytes: MAX_BYTES })
}

function readNumber(extensions: Extensions): bigint | undefined {
  const extension = extensions.get(OID.crlNumber)
  if (extension === undefined) return undefined
  const reader = DerReader.open(extension.value, 'list')
  const number = reader.bigInteger('CRLNumber')
  reader.finish('CRLNumber')
  return number
}

function readAuthorityKeyId(extensions: Extensions): string | undefined {
  const keyId = extensions.authorityKeyIdentifier?.keyId
  return keyId === undefined ? undefined : Buffer.from(keyId).toString('hex')
}

/** OpenSSL's label, and the one of RFC 7468's forerunners. */
const LABELS: ReadonlySet<string> = new Set(['X509 CRL', 'CRL'])

const KNOWN: ReadonlySet<string> = new Set([
  OID.authorityKeyIdentifier,
  OID.issuerAltName,
  OID.crlNumber,
  OID.deltaCrlIndicator,
  OID.issuingDistributionPoint,
  OID.freshestCrl,
  OID.authorityInfoAccess,
])

const MAX_BYTES = 64 * 1024 * 1024

const NO_BYTES = new Uint8Array()
