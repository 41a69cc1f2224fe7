/**
 * The certificates of a trust store, each once, and what is derived from them: made when it is asked for, and once.
 *
 * @module
 */
import { hash } from 'node:crypto'
import { type Certificate, TrustAnchors } from '@countersign/x509'
import type { TrustPart } from './trust-source.ts'

/** Shared by stores of the same certificates. */
export class TrustContent {
  readonly #parts: readonly TrustPart[]
  #byFingerprint: ReadonlyMap<string, Certificate> | undefined
  #certificates: readonly Certificate[] | undefined
  #anchors: TrustAnchors | undefined
  #sha256: string | undefined
  #pem: string | undefined

  constructor(parts: readonly TrustPart[]) {
    this.#parts = parts
  }

  get byFingerprint(): ReadonlyMap<string, Certificate> {
    this.#byFingerprint ??= new Map(
      this.#parts.flatMap(({ certificates }) =>
        certificates.map((certificate) => [certificate.fingerprint, certificate] as const),
      ),
    )
    return this.#byFingerprint
  }

  get certificates(): readonly Certificate[] {
    this.#certificates ??= Object.freeze([...this.byFingerprint.values()])
    return this.#certificates
  }

  get anchors(): TrustAnchors {
    this.#anchors ??= new TrustAnchors(this.certificates)
    return this.#anchors
  }

  get sha256(): string {
    this.#sha256 ??= hash('sha256', [...this.byFingerprint.keys()].toSorted().join('\n'), 'hex')
    return this.#sha256
  }

  get pem(): string {
    this.#pem ??= this.certificates.map(({ pem }) => pem).join('')
    return this.#pem
  }
}
