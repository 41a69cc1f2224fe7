/**
 * Kinds of certificates that were looked at before: same issuer, algorithms and extensions, so that only serial number, validity,
 * subject, key and names differ.
 *
 * @module
 */
import type { Certificate } from './certificate.ts'
import { X509Error } from './errors.ts'
import type { CertificateEncoding } from './lint-encoding.ts'
import { VARYING_EXTENSIONS } from './lint-rules-unreadable.ts'

/** A few kinds, the newest first, each with what was found and holds for all of its certificates. */
export class KnownKinds<T> {
  readonly #kinds: Kind<T>[] = []

  /** What was found for this kind, or `undefined` where none such was added. */
  get(certificate: Certificate, encoding: CertificateEncoding): T | undefined {
    const key = keyKind(certificate)
    return this.#kinds.find(
      (kind) =>
        kind.key === key &&
        areEqual(kind.issuer, certificate.issuer.der) &&
        isSameKind(kind.encoding, encoding),
    )?.found
  }

  /** Remembers a kind. */
  add(certificate: Certificate, encoding: CertificateEncoding, found: T): void {
    const key = keyKind(certificate)
    if (key === undefined) return
    this.#kinds.unshift({ issuer: certificate.issuer.der, key, encoding, found })
    if (this.#kinds.length > MAX_KINDS) this.#kinds.pop()
  }
}

interface Kind<T> {
  readonly issuer: Uint8Array
  readonly key: string
  readonly encoding: CertificateEncoding
  readonly found: T
}

function isSameKind(known: CertificateEncoding, other: CertificateEncoding): boolean {
  const extensions = known.extensions ?? []
  const others = other.extensions ?? []
  return (
    known.version === other.version &&
    known.hasUniqueIds === other.hasUniqueIds &&
    areEqual(known.innerAlgorithm, other.innerAlgorithm) &&
    areEqual(known.outerAlgorithm, other.outerAlgorithm) &&
    extensions.length === others.length &&
    extensions.every((extension, index) => {
      const twin = others[index]
      return (
        twin !== undefined &&
        extension.oid === twin.oid &&
        extension.critical === twin.critical &&
        (VARYING_EXTENSIONS.has(extension.oid) || areEqual(extension.value, twin.value))
      )
    })
  )
}

/** `undefined` where the key cannot be read, which is a finding of its own. */
function keyKind(certificate: Certificate): string | undefined {
  try {
    const { algorithm, description } = certificate.publicKey
    return algorithm + description
  } catch (error) {
    if (!(error instanceof X509Error)) throw error
    return undefined
  }
}

/** Tens of bytes: a loop beats the call into the runtime. */
function areEqual(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined || b === undefined || a.length !== b.length) return a === b
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false
  return true
}

const MAX_KINDS = 16
