/**
 * Kinds of certificates that were looked at before: same issuer, algorithms and extensions, so that only serial number, validity,
 * subject, key and names differ.
 *
 * @module
 */
import type { Certificate } from './certificate.ts'
import { type CertificateEncoding, readExtension } from './lint-encoding.ts'
import { VARYING_EXTENSIONS } from './lint-rules-unreadable.ts'

/** A few kinds, the newest first, each with what was found and holds for all of its certificates. */
export class KnownKinds<T> {
  readonly #kinds: Kind<T>[] = []

  /** What was found for this kind, or `undefined` where none such was added. */
  get(certificate: Certificate, encoding: CertificateEncoding): T | undefined {
    for (const kind of this.#kinds) {
      if (isSameKind(kind.encoding, encoding) && areEqual(kind.issuer, certificate.issuer.der)) {
        return kind.found
      }
    }
    return undefined
  }

  /** Remembers a kind. */
  add(certificate: Certificate, encoding: CertificateEncoding, found: T): void {
    this.#kinds.unshift({ issuer: certificate.issuer.der, encoding, found })
    if (this.#kinds.length > MAX_KINDS) this.#kinds.pop()
  }
}

interface Kind<T> {
  readonly issuer: Uint8Array
  readonly encoding: CertificateEncoding
  readonly found: T
}

function isSameKind(known: CertificateEncoding, other: CertificateEncoding): boolean {
  if (known.version !== other.version || known.hasUniqueIds !== other.hasUniqueIds) return false
  if (!isSameKeyKind(known.spki, other.spki)) return false
  const elements = known.extensionElements ?? []
  const others = other.extensionElements ?? []
  if (elements.length !== others.length) return false
  for (let index = 0; index < elements.length; index++) {
    if (!isSameExtension(elements[index], others[index])) return false
  }
  return (
    areEqual(known.innerAlgorithm, other.innerAlgorithm) &&
    areEqual(known.outerAlgorithm, other.outerAlgorithm)
  )
}

/** Whether both are the same, or differ in a value that may differ. */
function isSameExtension(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (areEqual(a, b)) return true
  const extension = a && readExtension(a)
  const twin = b && readExtension(b)
  return (
    extension !== undefined &&
    VARYING_EXTENSIONS.has(extension.oid) &&
    extension.oid === twin?.oid &&
    extension.critical === twin.critical
  )
}

/** Whether both keys have the same length and algorithm: what stands before the bits of the key. */
function isSameKeyKind(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined || b === undefined || a.length !== b.length) return false
  const header = (a[1] ?? 0) < 0x80 ? 2 : 2 + ((a[1] ?? 0) & 0x7f)
  // The length of an algorithm fits into one octet; whatever is longer is no key of a kind that is remembered.
  const length = a[header + 1] ?? 0x80
  if (length >= 0x80) return false
  for (let index = 0; index < header + 2 + length; index++) if (a[index] !== b[index]) return false
  return true
}

/** Tens of bytes: a loop beats the call into the runtime. */
function areEqual(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined || b === undefined || a.length !== b.length) return a === b
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false
  return true
}

const MAX_KINDS = 16
