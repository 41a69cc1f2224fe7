/**
 * Certificates (RFC 5280 §4.1) as values: read once, each part turned into its type when it is asked for.
 *
 * Not here: building (`build-certificate.ts`), what makes a path valid, and whether anybody trusts it.
 *
 * @module
 */
import { hash, X509Certificate } from 'node:crypto'
import { type BitString, DerReader, plainView } from './der-reader.ts'
import { TAG } from './der-tags.ts'
import { describeBlocks, reading, readInput } from './input.ts'
import { X509Error } from './errors.ts'
import { hexSerial } from './extension-readers.ts'
import type { RawExtension } from './extension-types.ts'
import { Extensions, readExtensions } from './extensions.ts'
import type { GeneralName } from './general-name.ts'
import { matchesName, type ReferenceName } from './match-name.ts'
import { Name } from './name.ts'
import { encodePem } from './pem.ts'
import { PublicKey } from './public-key.ts'
import { type PythonCertificateDict, pythonDictionary } from './python-dictionary.ts'
import { signatureAlgorithmName, verifySignature } from './signature.ts'

/** A certificate. Reading a part of it may throw an X509Error where that part is malformed. */
export class Certificate {
  /** DER; must not be changed. */
  readonly der: Uint8Array
  readonly #source: string
  #fields: Fields | undefined
  #subject: Name | undefined
  #issuer: Name | undefined
  #publicKey: PublicKey | undefined
  #extensions: Extensions | undefined
  #fingerprint: string | undefined
  #node: X509Certificate | undefined
  /** Whose signature was found to be right: neither of the two ever changes. */
  #issuedBy: Certificate | undefined

  private constructor(der: Uint8Array, source: string) {
    this.der = der
    this.#source = source
  }

  /**
   * Reads one certificate: PEM (keys and other blocks beside it are ignored) or DER.
   *
   * @param source - where it came from, for messages: a path, an option's name
   * @throws {@link X509Error} `certificate-malformed`, `certificate-missing` where there is something else,
   * `certificate-several`, `pem-empty`, `pem-malformed`
   */
  static parse(pemOrDer: string | Uint8Array, source = 'certificate'): Certificate {
    const [certificate, ...more] = Certificate.parseAll(pemOrDer, source)
    if (certificate !== undefined && more.length === 0) return certificate
    throw new X509Error(
      'certificate-several',
      `${source} holds ${more.length + 1} certificates where one is expected`,
      { source, hint: 'split the file, or read it with Certificate.parseAll' },
    )
  }

  /**
   * Reads every certificate of a PEM, in its order, or the one of a DER.
   *
   * @returns one certificate or more
   * @throws {@link X509Error} as {@link parse}, but for `certificate-several`
   */
  static parseAll(pemOrDer: string | Uint8Array, source = 'certificate'): Certificate[] {
    const input = readInput(pemOrDer, source, 'certificate-malformed')
    if (input instanceof Uint8Array) return [Certificate.#read(input, source)]
    const blocks = input.filter(({ label }) => LABELS.has(label))
    if (blocks.length === 0) {
      const trusted = input.some(({ label }) => label === 'TRUSTED CERTIFICATE')
      throw new X509Error(
        'certificate-missing',
        `${source} holds no certificate (${describeBlocks(input)})`,
        {
          source,
          hint: trusted
            ? 'convert it: openssl x509 -in trusted.pem -out certificate.pem'
            : 'a certificate starts with -----BEGIN CERTIFICATE-----',
        },
      )
    }
    return blocks.map(({ der }, index) =>
      Certificate.#read(der, blocks.length === 1 ? source : `${source}, certificate ${index + 1}`),
    )
  }

  /**
   * A certificate from DER that is known to be well formed, as right after building it; nothing is read yet.
   *
   * @param der - must not change afterwards
   * @param publicKey - the key inside, where it is at hand: it need not be read and hashed again
   */
  static fromTrustedDer(der: Uint8Array, publicKey?: PublicKey): Certificate {
    const certificate = new Certificate(der, 'certificate')
    certificate.#publicKey = publicKey
    return certificate
  }

  static #read(der: Uint8Array, source: string): Certificate {
    const certificate = new Certificate(der, source)
    certificate.#fields = reading('certificate-malformed', source, () => readFields(der))
    return certificate
  }

  /** PEM, `CERTIFICATE`. */
  get pem(): string {
    return encodePem('CERTIFICATE', this.der)
  }

  /** 1, 2 or 3. */
  get version(): number {
    return this.#content.version
  }

  /** Upper-case hex, two digits a byte, as OpenSSL prints it. */
  get serialNumber(): string {
    return hexSerial(this.#content.serialNumber)
  }

  get issuer(): Name {
    this.#issuer ??= Name.fromDer(this.#content.issuer)
    return this.#issuer
  }

  get subject(): Name {
    this.#subject ??= Name.fromDer(this.#content.subject)
    return this.#subject
  }

  get notBefore(): Date {
    return new Date(this.#content.notBefore)
  }

  /** The last second in which it is valid. */
  get notAfter(): Date {
    return new Date(this.#content.notAfter)
  }

  get publicKey(): PublicKey {
    this.#publicKey ??= PublicKey.fromSpki(this.#content.spki, `${this.#source}: public key`)
    return this.#publicKey
  }

  /** `ecdsa-with-SHA256`, …, or the dotted identifier of one without a name. */
  get signatureAlgorithm(): string {
    return reading('certificate-malformed', this.#source, () =>
      signatureAlgorithmName(this.#content.signatureAlgorithm),
    )
  }

  /** The bytes that the signature covers. */
  get tbs(): Uint8Array {
    return this.#content.tbs
  }

  /** The signature itself. */
  get signature(): Uint8Array {
    return this.#content.signature.bytes
  }

  get extensions(): Extensions {
    this.#extensions ??= new Extensions(this.#content.extensions, this.#source)
    return this.#extensions
  }

  /** The subject alternative names; empty without the extension. */
  get subjectAltNames(): readonly GeneralName[] {
    return this.extensions.subjectAltName ?? []
  }

  /** Host names and wildcards of the subject alternative names, as they are written there. */
  get dnsNames(): string[] {
    return this.subjectAltNames.flatMap((name) => (name.type === 'dns' ? [name.value] : []))
  }

  /** Addresses of the subject alternative names, canonical. */
  get ipAddresses(): string[] {
    return this.subjectAltNames.flatMap((name) => (name.type === 'ip' ? [name.value] : []))
  }

  /** Whether basic constraints say that it may sign certificates. */
  get isCa(): boolean {
    return this.extensions.basicConstraints?.ca ?? false
  }

  /** Lower-case hex. */
  get subjectKeyId(): string | undefined {
    return hex(this.extensions.subjectKeyIdentifier)
  }

  /** Lower-case hex. */
  get authorityKeyId(): string | undefined {
    return hex(this.extensions.authorityKeyIdentifier?.keyId)
  }

  /** SHA-256 of the DER: 64 lower-case hex digits. */
  get fingerprint(): string {
    this.#fingerprint ??= hash('sha256', this.der, 'hex')
    return this.#fingerprint
  }

  /** SHA-256 of the SubjectPublicKeyInfo: 64 lower-case hex digits. */
  get keyFingerprint(): string {
    return hash('sha256', this.#content.spki, 'hex')
  }

  /** Whether subject and issuer are the same name; says nothing about the signature. */
  get isSelfIssued(): boolean {
    return this.subject.equals(this.issuer)
  }

  /**
   * Whether the signature is by this key. The algorithm inside the signed part must be the one outside
   * (RFC 5280 §4.1.1.2).
   *
   * @returns false also for an algorithm Node cannot check
   */
  verifySignature(issuerKey: PublicKey): boolean {
    const { tbs, signature, signatureAlgorithm, innerAlgorithm } = this.#content
    if (signature.unusedBits !== 0) return false
    if (Buffer.compare(signatureAlgorithm, innerAlgorithm) !== 0) return false
    return verifySignature(signatureAlgorithm, issuerKey, tbs, signature.bytes)
  }

  /** Whether the candidate's name, key identifier (where both have one) and key fit, and its key made the signature. */
  issuedBy(candidate: Certificate): boolean {
    if (this.#issuedBy === candidate) return true
    if (!this.issuer.equals(candidate.subject)) return false
    const wanted = this.authorityKeyId
    const offered = candidate.subjectKeyId
    if (wanted !== undefined && offered !== undefined && wanted !== offered) return false
    if (!this.verifySignature(candidate.publicKey)) return false
    this.#issuedBy = candidate
    return true
  }

  /**
   * Whether the certificate is for this host, address or mailbox (RFC 9525): subject alternative names only, a wildcard
   * only as the whole first label, an address only as an iPAddress.
   */
  matchesName(name: ReferenceName): boolean {
    return matchesName(this.subjectAltNames, name)
  }

  /** Whether the date lies in the validity period, both ends included. */
  isValidAt(date: Date): boolean {
    const { notBefore, notAfter } = this.#content
    // The last second is valid to its end.
    return date.getTime() >= notBefore && date.getTime() < notAfter + 1000
  }

  /** Whether both are the same certificate, byte by byte. */
  equals(other: Certificate): boolean {
    return Buffer.compare(this.der, other.der) === 0
  }

  /**
   * What CPython's `getpeercert()` answers for this certificate, as JSON: tuples are arrays.
   *
   * @throws {@link X509Error} where a part is malformed
   */
  toPythonDict(): PythonCertificateDict {
    return pythonDictionary(this)
  }

  /** Node's own object for this certificate; made on first use, then kept. */
  toX509Certificate(): X509Certificate {
    if (this.#node === undefined) {
      try {
        this.#node = new X509Certificate(this.der)
      } catch (error) {
        throw new X509Error('certificate-malformed', `${this.#source}: OpenSSL cannot read it`, {
          source: this.#source,
          cause: error,
        })
      }
    }
    return this.#node
  }

  get #content(): Fields {
    this.#fields ??= readFields(this.der)
    return this.#fields
  }
}

interface Fields {
  tbs: Uint8Array
  version: number
  serialNumber: Uint8Array
  innerAlgorithm: Uint8Array
  issuer: Uint8Array
  notBefore: number
  notAfter: number
  subject: Uint8Array
  spki: Uint8Array
  extensions: RawExtension[]
  signatureAlgorithm: Uint8Array
  signature: BitString
}

function readFields(der: Uint8Array): Fields {
  const outer = DerReader.open(der, 'certificate')
  const certificate = outer.sequence('Certificate')
  outer.finish('Certificate')
  const tbs = certificate.element('tbsCertificate', TAG.sequence)
  const signatureAlgorithm = certificate.element('signatureAlgorithm', TAG.sequence)
  const signature = certificate.bitString('signature')
  certificate.finish('Certificate')
  const fields = DerReader.open(tbs, 'certificate').sequence('tbsCertificate')
  const version = readVersion(fields)
  const serialNumber = fields.integerBytes('serialNumber')
  const innerAlgorithm = fields.element('signature', TAG.sequence)
  const issuer = fields.element('issuer', TAG.sequence)
  const validity = fields.sequence('validity')
  const notBefore = validity.time('notBefore').getTime()
  const notAfter = validity.time('notAfter').getTime()
  validity.finish('validity')
  const subject = fields.element('subject', TAG.sequence)
  const spki = fields.element('subjectPublicKeyInfo', TAG.sequence)
  if (fields.has(0x81)) fields.bitString('issuerUniqueID', 0x81)
  if (fields.has(0x82)) fields.bitString('subjectUniqueID', 0x82)
  const wrapper = fields.optional(0xa3, 'extensions')
  const extensions = wrapper === undefined ? [] : readExtensions(wrapper)
  wrapper?.finish('extensions')
  fields.finish('tbsCertificate')
  return {
    tbs,
    version,
    serialNumber,
    innerAlgorithm,
    issuer,
    notBefore,
    notAfter,
    subject,
    spki,
    extensions,
    signatureAlgorithm,
    signature,
  }
}

function readVersion(fields: DerReader): number {
  const wrapper = fields.optional(0xa0, 'version')
  if (wrapper === undefined) return 1
  const version = wrapper.smallInteger('version')
  wrapper.finish('version')
  if (version > 2) throw fields.fault('version', `version ${version + 1} is unknown`)
  return version + 1
}

function hex(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : Buffer.from(plainView(bytes)).toString('hex')
}

const LABELS: ReadonlySet<string> = new Set([
  'CERTIFICATE',
  'X509 CERTIFICATE',
  'X.509 CERTIFICATE',
])
