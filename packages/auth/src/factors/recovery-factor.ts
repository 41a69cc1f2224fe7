/**
 * Recovery codes: ten, shown once, each good once, for whoever has lost what they sign in with.
 *
 * @module
 */
import type { Credentials } from '../credentials.ts'
import { codeHash, newCode } from '../one-time-code.ts'
import type { SecondFactor } from './second-factors.ts'

/** Makes and checks. */
export class RecoveryFactor implements SecondFactor {
  readonly field = 'recovery'
  readonly kind = 'recovery'
  readonly amr = 'otp'
  readonly #credentials: Credentials

  constructor(credentials: Credentials) {
    this.#credentials = credentials
  }

  /** Makes ten and ends those there were. */
  async renew(principalId: string): Promise<string[]> {
    await this.end(principalId)
    const codes = Array.from({ length: COUNT }, () => newCode(5))
    for (const code of codes) {
      const hash = codeHash(purposeOf(principalId), code)
      await this.#credentials.add({ principalId, kind: 'recovery', label: 'recovery code', hash })
    }
    return codes
  }

  /** Ends all of them. */
  async end(principalId: string): Promise<void> {
    const records = await this.#credentials.list({ principalId, kinds: ['recovery'] })
    for (const { id } of records) await this.#credentials.revoke(id, { principalId })
  }

  async verify(principalId: string, value: unknown): Promise<boolean | 'malformed'> {
    if (typeof value !== 'string' || value.length > MOST_LENGTH) return 'malformed'
    const record = await this.#credentials.findByHash(codeHash(purposeOf(principalId), value))
    if (record?.kind !== 'recovery') return false
    // Of many who send it at once, one revokes it.
    return (await this.#credentials.revoke(record.id, { principalId })) !== undefined
  }
}

/** Another's code is none. */
function purposeOf(principalId: string): string {
  return `recovery:${principalId}`
}

const COUNT = 10
const MOST_LENGTH = 64
