/**
 * Certificate requests (PKCS #10, RFC 2986): what somebody asks for, and proof that they hold the key.
 *
 * @module
 */
import { checkOptions } from '@countersign/core'
import { signedNode, signNow } from './build-certificate.ts'
import { type BitString, DerReader } from './der-reader.ts'
import { TAG } from './der-tags.ts'
import { context, type DerNode, encodeDer, integer, oid, sequence, setOf } from './der-writer.ts'
import { X509Error } from './errors.ts'
import type { RawExtension } from './extension-types.ts'
import { subjectAltNameNode } from './extension-writers.ts'
import { Extensions, readExtensions } from './extensions.ts'
import type { GeneralName } from './general-name.ts'
import { describeBlocks, reading, readInput } from './input.ts'
import { Name } from './name.ts'
import { OID } from './oid.ts'
import { encodePem } from './pem.ts'
import { PrivateKey } from './private-key.ts'
import { PublicKey } from './public-key.ts'
import { signatureAlgorithmName, type SyncSigner, verifySignature } from './signature.ts'

/** A request. Nothing in it is to be believed but the key, and that only after {@link verify}. */
export class CertificateRequest {
  /** DER; must not be changed. */
  readonly der: Uint8Array
  readonly subject: Name
  readonly publicKey: PublicKey
  /** What the request asks for. Take names from it after checking them; never copy its extensions. */
  readonly requestedExtensions: Extensions
  readonly #fields: Fields

  private constructor(der: Uint8Array, source: string) {
    const fields = readFields(der)
    this.der = der
    this.#fields = fields
    this.subject = Name.fromDer(fields.subject)
    this.publicKey = PublicKey.fromSpki(fields.spki, `${source}: public key`)
    this.requestedExtensions = new Extensions(fields.extensions, source)
  }

  /**
   * Reads a request: PEM (`CERTIFICATE REQUEST`) or DER.
   *
   * @param source - where it came from, for messages
   * @throws {@link X509Error} `request-malformed`, `request-missing` where there is something else
   */
  static parse(pemOrDer: string | Uint8Array, source = 'request'): CertificateRequest {
    const input = readInput(pemOrDer, source, 'request-malformed')
    const der = input instanceof Uint8Array ? input : pickBlock(input, source)
    return reading('request-malformed', source, () => new CertificateRequest(der, source))
  }

  /** PEM, `CERTIFICATE REQUEST`. */
  get pem(): string {
    return encodePem('CERTIFICATE REQUEST', this.der)
  }

  /** The subject alternative names it asks for; empty without any. */
  get subjectAltNames(): readonly GeneralName[] {
    return this.requestedExtensions.subjectAltName ?? []
  }

  /** `ecdsa-with-SHA256`, … */
  get signatureAlgorithm(): string {
    return signatureAlgorithmName(this.#fields.signatureAlgorithm)
  }

  /** Whether the request is signed by the key it carries: proof of possession (RFC 2986 §4.2). */
  verify(): boolean {
    const { info, signatureAlgorithm, signature } = this.#fields
    if (signature.unusedBits !== 0) return false
    return verifySignature(signatureAlgorithm, this.publicKey, info, signature.bytes)
  }
}

/** What {@link createRequest} asks for. */
export interface RequestOptions {
  /** @defaultValue the empty name */
  subject?: Name | undefined
  /** Written as they are; see `parseGeneralName`. */
  subjectAltNames: readonly GeneralName[]
  /** Signs, and is what the certificate shall be for. */
  key: PrivateKey | SyncSigner
}

/**
 * Makes a request for names under a key.
 *
 * @throws {@link X509Error} `name-invalid`, `signing-failed`, `key-unsupported`; CoreError `option-unknown`
 */
export function createRequest(options: RequestOptions): CertificateRequest {
  checkOptions(options, ['subject', 'subjectAltNames', 'key'], 'createRequest')
  const signer = options.key instanceof PrivateKey ? options.key.signer() : options.key
  const subject = options.subject ?? Name.from({})
  const names = options.subjectAltNames
  const attributes =
    names.length === 0 ? [] : [extensionRequestNode([subjectAltNameNode(names, subject.isEmpty)])]
  const info = encodeDer(
    sequence(integer(0), subject.der, signer.publicKey.spki, context(0, ...attributes)),
  )
  const signature = signNow(info, signer)
  return CertificateRequest.parse(encodeDer(signedNode(info, signer, signature)))
}

interface Fields {
  info: Uint8Array
  subject: Uint8Array
  spki: Uint8Array
  extensions: RawExtension[]
  signatureAlgorithm: Uint8Array
  signature: BitString
}

function pickBlock(
  blocks: readonly { label: string; der: Uint8Array }[],
  source: string,
): Uint8Array {
  const requests = blocks.filter(({ label }) => LABELS.has(label))
  const [request] = requests
  if (request !== undefined && requests.length === 1) return request.der
  throw new X509Error(
    'request-missing',
    `${source} holds ${requests.length === 0 ? 'no' : requests.length} certificate requests (${describeBlocks(blocks)})`,
    { source, hint: 'a request starts with -----BEGIN CERTIFICATE REQUEST-----' },
  )
}

function readFields(der: Uint8Array): Fields {
  const outer = DerReader.open(der, 'request')
  const request = outer.sequence('CertificationRequest')
  outer.finish('CertificationRequest')
  const info = request.element('certificationRequestInfo', TAG.sequence)
  const signatureAlgorithm = request.element('signatureAlgorithm', TAG.sequence)
  const signature = request.bitString('signature')
  request.finish('CertificationRequest')
  const fields = DerReader.open(info, 'request').sequence('certificationRequestInfo')
  if (fields.smallInteger('version') !== 0) throw fields.fault('version', 'an unknown version')
  const subject = fields.element('subject', TAG.sequence)
  const spki = fields.element('subjectPKInfo', TAG.sequence)
  // The attributes are mandatory, yet some leave the empty set out.
  const attributes = fields.optional(0xa0, 'attributes')
  const extensions = attributes === undefined ? [] : readAttributes(attributes)
  fields.finish('certificationRequestInfo')
  return { info, subject, spki, extensions, signatureAlgorithm, signature }
}

/** The extensions of the extension request; other attributes (challenge passwords, …) say nothing to us. */
function readAttributes(attributes: DerReader): RawExtension[] {
  let extensions: RawExtension[] | undefined
  while (!attributes.isEmpty) {
    const attribute = attributes.sequence('attribute')
    const type = attribute.oid('attribute type')
    const values = attribute.set('attribute values')
    attribute.finish('attribute')
    if (!EXTENSION_REQUESTS.has(type)) continue
    if (extensions !== undefined) throw attribute.fault('attributes', 'two extension requests')
    extensions = readExtensions(values)
    values.finish('extension request')
  }
  return extensions ?? []
}

function extensionRequestNode(extensions: readonly DerNode[]): DerNode {
  return sequence(oid(OID.extensionRequest), setOf(sequence(...extensions)))
}

const LABELS: ReadonlySet<string> = new Set(['CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST'])
/** PKCS #9, and Microsoft's own. */
const EXTENSION_REQUESTS: ReadonlySet<string> = new Set([
  OID.extensionRequest,
  '1.3.6.1.4.1.311.2.1.14',
])
