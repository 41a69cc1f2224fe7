/**
 * A password on its way in: the rules first, then the hash.
 *
 * @module
 */
import { AuthError } from './errors.ts'
import type { PasswordHasher } from './password-hasher.ts'
import {
  type PasswordRules,
  type WeakPasswordReason,
  weakPasswordReasons,
} from './password-rules.ts'

/** What new passwords must be in one service. */
export class PasswordPolicy {
  readonly #hasher: PasswordHasher
  readonly #minLength: number
  readonly #context: readonly string[]
  readonly #isListed: PasswordRules['isListed']
  readonly #enforced: boolean

  constructor(
    hasher: PasswordHasher,
    rules: {
      minLength: number
      contextWords: readonly string[]
      isListed?: PasswordRules['isListed']
      enforced: boolean
    },
  ) {
    this.#hasher = hasher
    this.#minLength = rules.minLength
    this.#context = rules.contextWords
    this.#isListed = rules.isListed
    this.#enforced = rules.enforced
  }

  /**
   * Checks a new password of a user.
   *
   * @throws {@link AuthError} `password-weak` with its `reasons`
   */
  check(password: string, userName: string): void {
    const reasons = weakPasswordReasons(password, this.#minLength, [userName, ...this.#context])
    const refused = this.#enforced ? reasons : reasons.filter((reason) => ALWAYS.has(reason))
    if (refused.length === 0) return
    throw this.#weak(refused)
  }

  /**
   * Checks a new password and hashes it.
   *
   * @returns the PHC string
   * @throws {@link AuthError} `password-weak`, `hashing-overloaded`
   */
  async hash(password: string, userName: string): Promise<string> {
    this.check(password, userName)
    if (this.#enforced && (await this.#isListed?.(password)) === true) throw this.#weak(['listed'])
    return await this.#hasher.hash(password)
  }

  #weak(reasons: WeakPasswordReason[]): AuthError {
    const words = `the password is not good enough: ${reasons.join(', ')}`
    const error = new AuthError('password-weak', words, {
      hint: `use at least ${this.#minLength} characters: four or more words of your own will do`,
    })
    error.reasons = reasons
    return error
  }
}

/** What cannot be hashed safely is refused even where no rule is enforced. */
const ALWAYS: ReadonlySet<string> = new Set(['too-long', 'not-text'])
