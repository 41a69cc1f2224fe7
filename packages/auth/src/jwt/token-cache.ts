/**
 * Tokens that were verified a moment ago, so that a burst of requests checks one signature.
 *
 * Keyed by the whole SHA-256 of the token: part of a key, or a key that two tokens can share, is how CVE-2026-35039 (fast-jwt) and
 * CVE-2026-35030 (litellm) took one caller for another.
 *
 * @module
 */
import { hash } from 'node:crypto'
import type { JwtAcceptance, JwtClaims } from './verdict.ts'

/** The longest that a verdict is remembered, in milliseconds. */
export const LONGEST_MEMORY_MS = 5000

/** Remembers verdicts for at most five seconds and never past `exp`. */
export class TokenCache {
  readonly #lifeMs: number
  readonly #half: number
  // Two halves, the older one thrown away whole: as sessions are remembered.
  #young = new Map<string, Entry>()
  #old = new Map<string, Entry>()

  constructor(lifeMs: number, entries: number) {
    this.#lifeMs = Math.min(lifeMs, LONGEST_MEMORY_MS)
    this.#half = Math.ceil(entries / 2)
  }

  /** The name under which a token is remembered. */
  static key(token: string): string {
    return hash('sha256', token, 'base64url')
  }

  /** @param now - milliseconds since 1970 */
  get(key: string, now: number): JwtAcceptance | undefined {
    const entry = this.#young.get(key) ?? this.#old.get(key)
    if (entry === undefined || now < entry.from || now >= entry.until) return undefined
    return entry.verdict
  }

  put(key: string, verdict: JwtAcceptance, now: number): void {
    const until = Math.min(now + this.#lifeMs, verdict.claims.exp * 1000)
    if (until <= now) return
    if (this.#young.size >= this.#half) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(key, { verdict, from: now, until })
  }

  /** Forgets the tokens whose claims `revoked` names. */
  drop(revoked: (claims: JwtClaims) => boolean): void {
    for (const half of [this.#young, this.#old]) {
      for (const [key, { verdict }] of half) if (revoked(verdict.claims)) half.delete(key)
    }
  }
}

interface Entry {
  readonly verdict: JwtAcceptance
  readonly from: number
  readonly until: number
}
