/**
 * What OCSP requests and responses share: their nonce, their extensions, and how they are taken from PEM or DER.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { DerReader, plainView } from './der-reader.ts'
import { context, type DerNode, octetString, oid, sequence } from './der-writer.ts'
import { X509Error } from './errors.ts'
import type { RawExtension } from './extension-types.ts'
import { readExtensions } from './extensions.ts'
import { describeBlocks, readInput } from './input.ts'
import { OID } from './oid.ts'

/** Reads an optional `[number] EXPLICIT Extensions`. */
export function readOptionalExtensions(fields: DerReader, number: number): RawExtension[] {
  const explicit = fields.optional(0xa0 | number, 'extensions')
  if (explicit === undefined) return []
  const extensions = readExtensions(explicit)
  explicit.finish('extensions')
  return extensions
}

/** Reads over an optional `[0] EXPLICIT Version`, which must be version 1. */
export function readVersion(fields: DerReader): void {
  const explicit = fields.optional(0xa0, 'version')
  if (explicit === undefined) return
  const version = explicit.smallInteger('version') + 1
  if (version !== 1) throw explicit.fault('version', `version ${version} is unknown`)
  explicit.finish('version')
}

/** Critical extensions nobody here knows (RFC 6960 §4.4: whoever does not know one must not go on). */
export function unknownCritical(extensions: readonly RawExtension[]): string[] {
  return extensions.flatMap(({ oid: type, critical }) =>
    critical && !KNOWN.has(type) ? [type] : [],
  )
}

/**
 * The nonce (RFC 9654 §2.1): 1 to 128 bytes.
 *
 * @throws {@link X509Error} `der-malformed`
 */
export function readNonce(extensions: readonly RawExtension[]): Uint8Array | undefined {
  const extension = extensions.find(({ oid: type }) => type === OID.ocspNonce)
  if (extension === undefined) return undefined
  const reader = DerReader.open(extension.value, 'OCSP')
  const nonce = reader.octetString('nonce')
  reader.finish('nonce')
  if (isNonce(nonce)) return nonce
  throw reader.fault('nonce', `${nonce.length} bytes, 1 to ${MAX_NONCE} are allowed`)
}

/**
 * The extensions of a request or response that carries a nonce, as `[number] EXPLICIT`; none without one.
 *
 * @throws {@link X509Error} `ocsp-invalid` for a nonce of another length
 */
export function nonceNodes(nonce: Uint8Array | undefined, number: number): DerNode[] {
  if (nonce === undefined) return []
  if (!isNonce(nonce)) {
    throw new X509Error('ocsp-invalid', `OCSP: a nonce of 1 to ${MAX_NONCE} bytes is needed`)
  }
  const extension = sequence(oid(OID.ocspNonce), octetString(octetString(nonce)))
  return [context(number, sequence(extension))]
}

/** 32 random bytes: what a requester must send at least (RFC 9654 §2.1). */
export function randomNonce(): Uint8Array {
  return plainView(randomBytes(32))
}

/**
 * The DER of every block of a PEM with this label, or the one of a DER.
 *
 * @throws {@link X509Error} `ocsp-missing` for a PEM without one, `ocsp-malformed`, the `pem-` codes
 */
export function readOcspInput(
  input: string | Uint8Array,
  label: string,
  source: string,
): Uint8Array[] {
  const read = readInput(input, source, 'ocsp-malformed')
  if (read instanceof Uint8Array) return [read]
  const blocks = read.filter((block) => block.label === label)
  if (blocks.length > 0) return blocks.map(({ der }) => der)
  throw new X509Error('ocsp-missing', `${source} holds no ${label} (${describeBlocks(read)})`, {
    source,
  })
}

/** Runs a reader; whatever it finds malformed becomes `ocsp-malformed` with the source in front. */
export function readingOcsp<T>(source: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof X509Error)) throw error
    throw new X509Error('ocsp-malformed', `${source}: ${error.message}`, { source, cause: error })
  }
}

function isNonce(nonce: Uint8Array): boolean {
  return nonce instanceof Uint8Array && nonce.length > 0 && nonce.length <= MAX_NONCE
}

const MAX_NONCE = 128
const KNOWN: ReadonlySet<string> = new Set([
  OID.ocspNonce,
  OID.ocspCrl,
  OID.ocspResponseTypes,
  OID.ocspArchiveCutoff,
  OID.ocspServiceLocator,
  OID.ocspPreferredAlgorithms,
  OID.ocspExtendedRevoke,
  // A response may also say what an entry of a list says (RFC 6960 §4.4.5).
  OID.reasonCode,
  OID.invalidityDate,
])
