/**
 * Roots by subject: what is found for one issuer costs a lookup, however many there are.
 *
 * @module
 */
import { Certificate } from '../certificate.ts'
import { X509Error } from '../errors.ts'
import type { Name } from '../name.ts'

/** Where a certificate is taken: ours, PEM text (of one or more), or the same as bytes, or DER. */
export type CertificateInput = Certificate | string | Uint8Array

/**
 * A set of trust anchors, indexed once. `verifyChain` takes any list of roots; whoever verifies often makes one of these and
 * keeps it.
 *
 * ```ts
 * const anchors = new TrustAnchors(store.certificates)
 * verifyChain({ leaf, intermediates, roots: anchors })
 * ```
 */
export class TrustAnchors {
  readonly #index: NameIndex

  /**
   * @param roots - read now; later changes of the list do not count
   * @throws {@link X509Error} as {@link Certificate.parseAll}
   */
  constructor(roots: CertificateInput | readonly CertificateInput[]) {
    this.#index = new NameIndex(readCertificates(roots, 'roots'))
  }

  /** How many different certificates there are. */
  get size(): number {
    return this.#index.size
  }

  /** Whether the certificate, byte by byte, is one of the anchors. */
  has(certificate: Certificate): boolean {
    return this.#index.encoded(certificate.subject).some((one) => one.equals(certificate))
  }

  /**
   * The anchors whose subject is this name.
   *
   * @param exactly - only where the encoding is the same too, which is cheaper to find
   */
  named(name: Name, exactly = false): readonly Certificate[] {
    return exactly ? this.#index.encoded(name) : this.#index.equal(name)
  }
}

/** Certificates by subject, each once. */
export class NameIndex {
  readonly size: number
  readonly #encoded = new Map<string, Certificate[]>()
  #equal: Map<string, Certificate[]> | undefined

  constructor(certificates: Iterable<Certificate>) {
    let size = 0
    const seen = new Set<string>()
    for (const certificate of certificates) {
      const key = encodedKey(certificate.subject)
      const found = this.#encoded.get(key)
      if (found === undefined) this.#encoded.set(key, [certificate])
      else {
        // Only among those of one name: a digest of each would cost more than the rest.
        for (const one of found.length === 1 ? found : []) seen.add(one.fingerprint)
        if (seen.has(certificate.fingerprint)) continue
        seen.add(certificate.fingerprint)
        found.push(certificate)
      }
      size++
    }
    this.size = size
  }

  /** By the very bytes of the name. */
  encoded(name: Name): readonly Certificate[] {
    return this.#encoded.get(encodedKey(name)) ?? NONE
  }

  /** By {@link Name.equals}: case, spaces and kinds of string do not count. */
  equal(name: Name): readonly Certificate[] {
    this.#equal ??= this.#indexEqual()
    return this.#equal.get(name.comparable) ?? NONE
  }

  #indexEqual(): Map<string, Certificate[]> {
    const index = new Map<string, Certificate[]>()
    for (const certificates of this.#encoded.values()) {
      const [first] = certificates
      const key = first && comparableSubject(first)
      // One whose subject cannot be read issues nothing.
      if (key === undefined) continue
      index.set(key, [...(index.get(key) ?? []), ...certificates])
    }
    return index
  }
}

/** Reads certificates of every form that is taken; `option` says which option it was, for messages. */
export function readCertificates(
  input: CertificateInput | readonly CertificateInput[] | undefined,
  option: string,
): Certificate[] {
  if (input === undefined) return []
  const list = typeof input === 'string' || !Array.isArray(input) ? [input] : input
  return list.flatMap((one: CertificateInput) =>
    one instanceof Certificate ? [one] : Certificate.parseAll(one, option),
  )
}

function comparableSubject(certificate: Certificate): string | undefined {
  try {
    return certificate.subject.comparable
  } catch (error) {
    if (error instanceof X509Error) return undefined
    throw error
  }
}

function encodedKey({ der }: Name): string {
  return Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('latin1')
}

const NONE: readonly Certificate[] = []
