/**
 * Recovery codes: ten, shown once, each good once, for whoever has lost what they sign in with.
 *
 * @module
 */
import type { Store } from '@countersign/store'
import type { Credentials } from '../credentials.ts'
import { codeHash, newCode } from '../one-time-code.ts'
import type { AuthTables } from '../schema.ts'
import type { SecondFactor } from './second-factors.ts'

/** Makes and checks. */
export class RecoveryFactor implements SecondFactor {
  readonly field = 'recovery'
  readonly kind = 'recovery'
  readonly amr = 'otp'
  readonly #store: Store
  readonly #credentials: Credentials

  constructor(store: Store, credentials: Credentials) {
    this.#store = store
    this.#credentials = credentials
  }

  /** Makes ten and ends those there were, both or neither: of two who do so at once, the last has ten that are good. */
  async renew(principalId: string): Promise<string[]> {
    const codes = Array.from({ length: COUNT }, () => newCode(5))
    await this.#store.transaction<AuthTables, void>(async (transaction) => {
      await this.#credentials.revokeAll(principalId, 'recovery', transaction)
      for (const code of codes) {
        const hash = codeHash(purposeOf(principalId), code)
        const row = { principalId, kind: 'recovery', label: 'recovery code', hash } as const
        await this.#credentials.add(row, transaction)
      }
    })
    return codes
  }

  /** Ends all of them. */
  async end(principalId: string): Promise<void> {
    await this.#credentials.revokeAll(principalId, 'recovery')
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
