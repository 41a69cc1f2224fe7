/**
 * What an ACME server counts, for whoever shows it: since the process began, in sets of labels that no client can make larger.
 *
 * @module
 */
import type { AcmeProblemType } from './problem.ts'
import type { AcmeTables } from './schema.ts'

/** One number. */
export interface AcmeCount {
  /** What is counted: orders by what became of them, challenges by how they ended, refusals by type, nonces by what became of them. */
  readonly what: 'orders' | 'challenges' | 'problems' | 'nonces'
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

type ChallengeType = AcmeTables['acme_challenge']['type']

/** Counts. */
export class AcmeCounts {
  readonly #counts = new Map<string, { -readonly [Key in keyof AcmeCount]: AcmeCount[Key] }>()

  constructor() {
    // An alert on a rise needs a number to rise from.
    for (const status of ORDERS) this.order(status, 0)
    for (const type of CHALLENGES) {
      for (const result of RESULTS) this.challenge(type, result, 0)
    }
    for (const result of NONCES) this.nonce(result, 0)
  }

  /** The numbers as they are now. */
  get all(): AcmeCount[] {
    return [...this.#counts.values()].map((one) => ({ ...one }))
  }

  order(status: (typeof ORDERS)[number], by = 1): void {
    this.#add('orders', { status }, by)
  }

  challenge(type: ChallengeType, result: (typeof RESULTS)[number], by = 1): void {
    this.#add('challenges', { type, result }, by)
  }

  problem(type: AcmeProblemType): void {
    this.#add('problems', { type }, 1)
  }

  nonce(result: (typeof NONCES)[number], by = 1): void {
    this.#add('nonces', { result }, by)
  }

  #add(what: AcmeCount['what'], labels: Record<string, string>, by: number): void {
    const key = [what, ...Object.values(labels)].join(' ')
    const known = this.#counts.get(key)
    if (known === undefined) this.#counts.set(key, { what, labels, value: by })
    else known.value += by
  }
}

const ORDERS = ['created', 'valid', 'invalid'] as const
const CHALLENGES = ['http-01', 'dns-01', 'tls-alpn-01'] as const
const RESULTS = ['valid', 'invalid'] as const
const NONCES = ['made', 'used', 'refused'] as const
