/**
 * Passwords hashed and checked, at a constant cost and behind the gate.
 *
 * @module
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { type Argon2id, loadArgon2id } from './argon2.ts'
import type { HashGate } from './hash-gate.ts'
import { type Argon2Cost, formatPhc, isBelow, type PasswordHash, parsePhc } from './phc.ts'

/** What a check found. */
export interface PasswordCheck {
  matches: boolean
  /** The hash to store in place of the old one, where the old one cost less than the policy. */
  renewed?: string | undefined
}

/** Hashes by one policy. */
export class PasswordHasher {
  readonly #gate: HashGate
  readonly #cost: Argon2Cost
  readonly #argon2id: Argon2id
  /** Stands in for a user who does not exist: random, of the present cost, and matched by no password. */
  readonly #dummy: PasswordHash

  private constructor(gate: HashGate, cost: Argon2Cost, argon2id: Argon2id) {
    this.#gate = gate
    this.#cost = cost
    this.#argon2id = argon2id
    this.#dummy = { ...cost, salt: randomBytes(SALT_BYTES), tag: randomBytes(TAG_BYTES) }
  }

  /** Makes a hasher of the given cost; the fastest argon2id of this machine is loaded. */
  static async create(gate: HashGate, cost: Argon2Cost): Promise<PasswordHasher> {
    return new PasswordHasher(gate, cost, await loadArgon2id())
  }

  /** Whether the next hash would be refused for want of room. */
  get isFull(): boolean {
    return this.#gate.isFull
  }

  /**
   * The PHC string of a password with a new salt.
   *
   * @throws {@link AuthError} `hashing-overloaded`
   */
  hash(password: string): Promise<string> {
    return this.#gate.run(() => this.#compute(password))
  }

  /**
   * Checks a password against a stored hash; without one (nobody by that name, no password, disabled) the same work is done
   * against a hash that nothing matches, so that the time tells nothing (CVE-2024-39329 is what happens otherwise).
   *
   * @throws {@link AuthError} `hashing-overloaded`, `password-hash-malformed`, `password-hash-too-costly`
   */
  check(password: string, phc: string | undefined): Promise<PasswordCheck> {
    const stored = phc === undefined ? this.#dummy : parsePhc(phc)
    return this.#gate.run(async () => {
      const tag = await this.#argon2id(password, stored.salt, stored, stored.tag.length)
      const matches = timingSafeEqual(tag, stored.tag) && phc !== undefined
      if (!matches || !isBelow(stored, this.#cost)) return { matches }
      return { matches, renewed: await this.#compute(password) }
    })
  }

  async #compute(password: string): Promise<string> {
    const salt = randomBytes(SALT_BYTES)
    const tag = await this.#argon2id(password, salt, this.#cost, TAG_BYTES)
    return formatPhc({ ...this.#cost, salt, tag })
  }
}

const SALT_BYTES = 16
const TAG_BYTES = 32
