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
import {
  type RevokedCertificate,
  normaliseSerial,
  readEntry,
  readEntrySerial,
} from './crl-entry.ts'
import { DerReader } from './der-reader.ts'
import { TAG, contextConstructedTag, contextTag } from './der-tags.ts'
import { X509Error } from './errors.ts'
import { Extensions, readExtensions } from './extensions.ts'
import { type GeneralName, readGeneralNames } from './general-name.ts'
import { describeBlocks, reading, readInput } from './input.ts'
import { Name } from './name.ts'
import { OID } from './oid.ts'
import { encodePem, parsePem } from './pem.ts'
import type { PublicKey } from './public-key.ts'
import { signatureAlgorithmName, verifySignature } from './signature.ts'

/** What a list speaks about (RFC 5280 §5.2.5). */
export interface IssuingDistributionPoint {
  /** Where the list can be fetched. */
  fullName: readonly GeneralName[]
  onlyUserCertificates: boolean
  onlyCaCertificates: boolean
  onlyAttributeCertificates: boolean
  /** It leaves out some reasons of revocation. */
  onlySomeReasons: boolean
  /** It holds certificates of other issuers. */
  indirect: boolean
}

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
  #serials: SerialSet | undefined

  private constructor(der: Uint8Array, known?: KnownEntries) {
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
    this.#serials = known?.serials
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
      const known = await readEntriesInSlices(der, source)
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

  static #fromDer(
    der: Uint8Array,
    source: string,
    known?: KnownEntries,
  ): CertificateRevocationList {
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
    const { entries } = this.#parts
    if (entries === undefined) return
    const list = openEntries(entries)
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
    const serial = normaliseSerial(serialNumber)
    if (serial === undefined) return false
    this.#serials ??= readSerials(this.#parts.entries)
    return this.#serials.has(serial)
  }

  /** The entry of a certificate, or `undefined` where it is not on the list. */
  get(serialNumber: string): RevokedCertificate | undefined {
    if (!this.has(serialNumber)) return undefined
    const serial = normaliseSerial(serialNumber)
    for (const entry of this) if (entry.serialNumber === serial) return entry
    return undefined
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
    if (!this.issuer.equals(candidate.subject)) return false
    const keyId = candidate.subjectKeyId
    if (this.authorityKeyId !== undefined && keyId !== undefined && keyId !== this.authorityKeyId) {
      return false
    }
    return this.verifySignature(candidate.publicKey)
  }
}

interface Parts {
  version: number
  issuer: Name
  thisUpdate: Date
  nextUpdate: Date | undefined
  /** DER of the SEQUENCE OF entries. */
  entries: Uint8Array | undefined
  size: number
  unknownCritical: readonly string[]
  extensions: ReturnType<typeof readExtensions>
  algorithm: Uint8Array
  tbs: Uint8Array
  signature: Uint8Array
}

/** What reading every entry once finds out. */
interface KnownEntries extends Pick<Parts, 'size' | 'unknownCritical'> {
  readonly serials: SerialSet
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
  const entries = fields.has(TAG.sequence) ? fields.element('revokedCertificates') : undefined
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
    entries,
    ...(known === undefined
      ? checkEntries(entries)
      : { size: known.size, unknownCritical: known.unknownCritical }),
    extensions,
    algorithm,
    tbs,
    signature,
  }
}

/** Reads every entry once, and keeps nothing of it but the count. */
function checkEntries(entries: Uint8Array | undefined): Pick<Parts, 'size' | 'unknownCritical'> {
  const unknownCritical = new Set<string>()
  let size = 0
  if (entries !== undefined) {
    const list = openEntries(entries)
    for (; !list.isEmpty; size++) {
      for (const oid of readEntry(list).unknownCritical) unknownCritical.add(oid)
    }
  }
  return { size, unknownCritical: [...unknownCritical] }
}

/**
 * The lists of a long input; a PEM is decoded piece by piece.
 *
 * @returns `undefined` where the text is anything but blocks of lists in lines of whole groups of base64
 */
async function readInSlices(
  input: string | Uint8Array,
  source: string,
): Promise<Uint8Array[] | undefined> {
  if (typeof input !== 'string' && input[0] === TAG.sequence) {
    const der = readInput(input, source, 'crl-malformed')
    return der instanceof Uint8Array ? [der] : undefined
  }
  const text = typeof input === 'string' ? input : Buffer.from(input).toString('latin1')
  const ders: Uint8Array[] = []
  let from = 0
  for (;;) {
    const begin = text.indexOf('-----BEGIN ', from)
    if (begin < 0) return ders.length === 0 ? undefined : ders
    const [, label = ''] =
      /^-----BEGIN ((?:X509 )?CRL)-----\r?\n/.exec(text.slice(begin, begin + 40)) ?? []
    const end = `-----END ${label}-----`
    const bodyEnd = text.indexOf(end, begin)
    if (label === '' || bodyEnd < 0 || (begin > 0 && text[begin - 1] !== '\n')) return undefined
    const der = await decodeInSlices(text.slice(text.indexOf('\n', begin) + 1, bodyEnd))
    if (der === undefined) return undefined
    ders.push(der)
    from = bodyEnd + end.length
  }
}

/** Each piece is a PEM of its own: what `parsePem` is strict about, it is strict about here. */
async function decodeInSlices(body: string): Promise<Uint8Array | undefined> {
  const parts: Uint8Array[] = []
  for (let at = 0; at < body.length; ) {
    await nextTurn()
    const cut = body.lastIndexOf('\n', at + PIECE_CHARACTERS) + 1
    if (cut <= at) return undefined
    const piece = body.slice(at, cut)
    // Padding stands at the end of all, and nowhere else.
    if (cut < body.length && piece.includes('=')) return undefined
    try {
      const [block] = parsePem(`-----BEGIN CRL-----\n${piece}-----END CRL-----\n`, 'piece')
      if (block !== undefined) parts.push(block.der)
    } catch (error) {
      if (error instanceof X509Error) return undefined
      throw error
    }
    at = cut
  }
  return new Uint8Array(Buffer.concat(parts))
}

async function readEntriesInSlices(der: Uint8Array, source: string): Promise<KnownEntries> {
  const serials = new SerialSet()
  const unknownCritical = new Set<string>()
  const slice = <Result>(read: () => Result): Result => reading('crl-malformed', source, read)
  const list = slice(() => {
    const { entries } = readParts(der, { size: 0, unknownCritical: [] })
    return entries === undefined ? undefined : openEntries(entries)
  })
  let size = 0
  if (list === undefined) return { serials, size, unknownCritical: [] }
  while (!list.isEmpty) {
    size += slice(() => {
      const until = performance.now() + SLICE_MS
      let count = 0
      while (!list.isEmpty && (count % 32 !== 0 || count === 0 || performance.now() < until)) {
        const entry = readEntry(list)
        serials.add(entry.serialNumber)
        for (const oid of entry.unknownCritical) unknownCritical.add(oid)
        count++
      }
      return count
    })
    await nextTurn()
  }
  return { serials, size, unknownCritical: [...unknownCritical] }
}

async function nextTurn(): Promise<void> {
  await new Promise<void>((resolve) => {
    setImmediate(resolve)
  })
}

/** Serial numbers in many small sets: one of 100,000 holds everything up for milliseconds each time it grows. */
class SerialSet {
  readonly #byEnd = new Map<string, Set<string>>()

  add(serial: string): void {
    const end = serial.slice(-2)
    const known = this.#byEnd.get(end)
    if (known === undefined) this.#byEnd.set(end, new Set([serial]))
    else known.add(serial)
  }

  has(serial: string): boolean {
    return this.#byEnd.get(serial.slice(-2))?.has(serial) === true
  }
}

function readSerials(entries: Uint8Array | undefined): SerialSet {
  const serials = new SerialSet()
  if (entries === undefined) return serials
  const list = openEntries(entries)
  while (!list.isEmpty) serials.add(readEntrySerial(list))
  return serials
}

function openEntries(entries: Uint8Array): DerReader {
  const reader = DerReader.open(entries, 'list', { maxBytes: MAX_BYTES })
  return reader.sequence('revokedCertificates')
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

function readIssuingDistributionPoint(
  extensions: Extensions,
): IssuingDistributionPoint | undefined {
  const extension = extensions.get(OID.issuingDistributionPoint)
  if (extension === undefined) return undefined
  const reader = DerReader.open(extension.value, 'list')
  const fields = reader.sequence('IssuingDistributionPoint')
  reader.finish('IssuingDistributionPoint')
  const point = fields.optional(contextConstructedTag(0), 'distributionPoint')
  const full = point?.optional(contextConstructedTag(0), 'fullName')
  const flag = (number: number, part: string): boolean =>
    fields.has(contextTag(number)) && fields.boolean(part, contextTag(number))
  const onlyUserCertificates = flag(1, 'onlyContainsUserCerts')
  const onlyCaCertificates = flag(2, 'onlyContainsCACerts')
  const onlySomeReasons = fields.has(contextTag(3))
  if (onlySomeReasons) fields.bitString('onlySomeReasons', contextTag(3))
  const indirect = flag(4, 'indirectCRL')
  const onlyAttributeCertificates = flag(5, 'onlyContainsAttributeCerts')
  fields.finish('IssuingDistributionPoint')
  return {
    fullName: full === undefined ? [] : readGeneralNames(full, 'fullName'),
    onlyUserCertificates,
    onlyCaCertificates,
    onlyAttributeCertificates,
    onlySomeReasons,
    indirect,
  }
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

/** Below, reading it all takes less than a slice. */
const SLICED_BYTES = 64 * 1024
const SLICE_MS = 2
const PIECE_CHARACTERS = 128 * 1024
