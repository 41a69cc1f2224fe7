/**
 * Passwords hashed and checked, at a constant cost and behind the gate.
 *
 * @module
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { type Argon2id, loadArgon2id } from './argon2.ts'
import { type Argon2Threads, sharedThreads } from './argon2-threads.ts'
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
  readonly #threads: Argon2Threads
  #closed = false
  /** Stands in for a user who does not exist: random, of the present cost, and matched by no password. */
  readonly #dummy: PasswordHash

  private constructor(
    gate: HashGate,
    cost: Argon2Cost,
    argon2id: Argon2id,
    threads: Argon2Threads,
  ) {
    this.#gate = gate
    this.#cost = cost
    this.#argon2id = argon2id
    this.#threads = threads
    threads.retain()
    this.#dummy = { ...cost, salt: randomBytes(SALT_BYTES), tag: randomBytes(TAG_BYTES) }
  }

  /**
   * Makes a hasher of the given cost; the fastest argon2id of this machine is loaded.
   *
   * @param threads - what checks are computed by; no thread runs before the first one
   */
  static async create(
    gate: HashGate,
    cost: Argon2Cost,
    threads: Argon2Threads = sharedThreads(),
  ): Promise<PasswordHasher> {
    return new PasswordHasher(gate, cost, await loadArgon2id(), threads)
  }

  /** Ends the threads, where no other hasher of this process needs them. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#threads.release()
  }

  /** Whether the next hash would be refused for want of room. */
  get isFull(): boolean {
    return this.#gate.isFull
  }

  /**
   * The PHC string of a password with a new salt. Not computed on a thread of its own: strangers cannot ask for it, and a command
   * that sets one password starts no thread.
   *
   * @throws {@link AuthError} `hashing-overloaded`
   */
  hash(password: string): Promise<string> {
    return this.#gate.run(() => this.#compute(this.#argon2id, password))
  }

  /**
   * Checks a password against a stored hash; without one (nobody by that name, no password, disabled) the same work is done
   * against a hash that nothing matches, so that the time tells nothing (CVE-2024-39329 is what happens otherwise).
   *
   * @throws {@link AuthError} `hashing-overloaded`, `hashing-failed`, `password-hash-malformed`, `password-hash-too-costly`
   */
  check(password: string, phc: string | undefined): Promise<PasswordCheck> {
    const stored = phc === undefined ? this.#dummy : parsePhc(phc)
    const onThread: Argon2id = (...task) => this.#threads.compute(...task)
    return this.#gate.run(async () => {
      const tag = await onThread(password, stored.salt, stored, stored.tag.length)
      const matches = timingSafeEqual(tag, stored.tag) && phc !== undefined
      if (!matches || !isBelow(stored, this.#cost)) return { matches }
      return { matches, renewed: await this.#compute(onThread, password) }
    })
  }

  async #compute(argon2id: Argon2id, password: string): Promise<string> {
    const salt = randomBytes(SALT_BYTES)
    const tag = await argon2id(password, salt, this.#cost, TAG_BYTES)
    return formatPhc({ ...this.#cost, salt, tag })
  }
}

const SALT_BYTES = 16
const TAG_BYTES = 32
