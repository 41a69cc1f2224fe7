/**
 * Roots by subject: what is found for one issuer costs a lookup, however many there are.
 *
 * @module
 */
import { Certificate } from '../certificate.ts'
import { X509Error } from '../errors.ts'

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
  readonly #bySubject: ReadonlyMap<string, readonly Certificate[]>
  /** How many different certificates there are. */
  readonly size: number

  /**
   * @param roots - read now; later changes of the list do not count
   * @throws {@link X509Error} as {@link Certificate.parseAll}
   */
  constructor(roots: CertificateInput | readonly CertificateInput[]) {
    const index = indexBySubject(readCertificates(roots, 'roots'))
    this.#bySubject = index
    this.size = index.values().reduce((sum, { length }) => sum + length, 0)
  }

  /** The anchors whose subject is this name, by {@link Name.comparable}. */
  named(comparable: string): readonly Certificate[] {
    return this.#bySubject.get(comparable) ?? NONE
  }
}

/** Certificates by subject, each once; one whose subject cannot be read issues nothing and is left out. */
export function indexBySubject(certificates: Iterable<Certificate>): Map<string, Certificate[]> {
  const index = new Map<string, Certificate[]>()
  for (const certificate of certificates) {
    const subject = comparableSubject(certificate)
    if (subject === undefined) continue
    const found = index.get(subject)
    if (found === undefined) index.set(subject, [certificate])
    else if (!found.some((one) => one.equals(certificate))) found.push(certificate)
  }
  return index
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

const NONE: readonly Certificate[] = []
