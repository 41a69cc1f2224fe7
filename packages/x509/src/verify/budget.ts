/**
 * How much work one call may make: no input, however tangled, costs more than this.
 *
 * @module
 */
import type { Certificate } from '../certificate.ts'
import type { PublicKey } from '../public-key.ts'

/** What ran out. */
export type BudgetPart = 'signatures' | 'steps' | 'chains'

/** What is signed: a certificate, a list. */
interface Signed {
  verifySignature(key: PublicKey): boolean
}

/** Counts the work of one call. */
export class Budget {
  /** What ran out first; nothing more is tried then. */
  exhausted: BudgetPart | undefined
  #signatures = 0
  #steps = 0
  #chains = 0
  #comparisons = 0
  readonly #results: Map<Signed, Map<Certificate, boolean>>

  /** @param earlier - of another call about the same certificates: what it knows of signatures is not checked again */
  constructor(earlier?: Budget) {
    this.#results = earlier === undefined ? new Map() : earlier.#results
  }

  /** Whether the issuer's key made the signature of the certificate or list; each pair is checked once. */
  verify(signed: Signed, issuer: Certificate): boolean {
    let results = this.#results.get(signed)
    if (results === undefined) this.#results.set(signed, (results = new Map()))
    let result = results.get(issuer)
    if (result === undefined) {
      if (!this.#count('signatures', ++this.#signatures, MAX_SIGNATURES)) return false
      result = signed.verifySignature(issuer.publicKey)
      results.set(issuer, result)
    }
    return result
  }

  /** Whether that many more certificates may be looked at as issuers. */
  countSteps(count: number): boolean {
    this.#steps += count
    return this.#count('steps', this.#steps, MAX_STEPS)
  }

  /** Whether one more whole chain may be checked. */
  countChain(): boolean {
    return this.#count('chains', ++this.#chains, MAX_CHAINS)
  }

  /** Whether that many more names may be held against trees of names. */
  countComparisons(count: number): boolean {
    this.#comparisons += count
    return this.#comparisons <= MAX_COMPARISONS
  }

  #count(part: BudgetPart, count: number, limit: number): boolean {
    if (count > limit) this.exhausted ??= part
    return this.exhausted === undefined
  }
}

/** Some hundreds: a chain needs a handful, OpenSSL would check every candidate there is. */
export const MAX_SIGNATURES = 200
const MAX_STEPS = 10_000
const MAX_CHAINS = 50
const MAX_COMPARISONS = 250_000
