/**
 * What principals have beside a password, of every kind: listed, removed one by one, and reset by an administrator for whoever has lost
 * theirs.
 *
 * Not here: how each is made, and what its owner may do themselves (`factor-routes.ts`).
 *
 * @module
 */
import type { Clock } from '@countersign/core'
import type { CredentialRecord, Credentials } from '../credentials.ts'
import { AuthError } from '../errors.ts'
import type { OnAuthEvent } from '../events.ts'
import type { ClientKeys } from '../oauth/client-keys.ts'
import type { Revocations } from '../revocations.ts'
import type { Sessions } from '../sessions.ts'
import { isUlid } from '../ulid.ts'
import type { Users } from '../users.ts'
import type { ClientCertificates } from './client-certificates.ts'
import type { RecoveryFactor } from './recovery-factor.ts'
import type { SecondFactors } from './second-factors.ts'

/** A factor as it is listed; nothing of it is secret. */
export interface FactorInfo {
  /** `recovery` for all recovery codes together. */
  readonly id: string
  readonly type: FactorType
  readonly label: string
  /** Of recovery codes those of the latest. */
  readonly created: Date
  readonly lastUsed: Date | undefined
  readonly expires: Date | undefined
  /** How many recovery codes are left. */
  readonly remaining?: number | undefined
}

/** The kinds of factors. */
export type FactorType = 'totp' | 'passkey' | 'jwk' | 'client_cert' | 'recovery'

/** What {@link Factors} is made of. */
export interface FactorsParts {
  clock: Clock
  onEvent: OnAuthEvent
  credentials: Credentials
  users: Users
  sessions: Sessions
  revocations: Revocations
  certificates: ClientCertificates
  publicKeys: ClientKeys
  recovery: RecoveryFactor
  secondFactors: SecondFactors
}

/** The factors of principals. */
export class Factors {
  readonly #parts: FactorsParts

  constructor(parts: FactorsParts) {
    this.#parts = parts
  }

  /** The factors of a principal, the latest first; recovery codes at the end. */
  async list(principalId: string): Promise<FactorInfo[]> {
    const { credentials } = this.#parts
    const records = await credentials.list({ principalId, kinds: [...OWN_KINDS, 'recovery'] })
    const listed: FactorInfo[] = []
    const codes: CredentialRecord[] = []
    for (const record of records) {
      if (record.kind === 'recovery') codes.push(record)
      else if (record.kind !== 'api_token') listed.push(infoOf(record, record.kind))
    }
    const [latest] = codes
    if (latest === undefined) return listed
    const together = { ...infoOf(latest, 'recovery'), id: 'recovery', label: 'recovery codes' }
    return [...listed, { ...together, remaining: codes.length }]
  }

  /**
   * Removes one; a client certificate is revoked. Recovery codes end with the last second factor.
   *
   * @returns whether the principal had it
   */
  async remove({ id: principalId, name }: Owner, id: string): Promise<boolean> {
    const { credentials, recovery, secondFactors } = this.#parts
    if (id === 'recovery') {
      const codes = await credentials.list({ principalId, kinds: ['recovery'] })
      if (codes.length === 0) return false
      await recovery.end(principalId)
      this.tell({ id: principalId, name }, 'recovery codes removed', id)
      return true
    }
    const record = isUlid(id) ? await credentials.find(id) : undefined
    if (record?.principalId !== principalId || record.revokedAt !== undefined) return false
    if (!(await this.#end(record))) return false
    this.tell({ id: principalId, name }, `${record.kind} removed`, id)
    if ((await secondFactors.of(principalId)).length === 0) await recovery.end(principalId)
    return true
  }

  /**
   * Removes one of a user's factors and ends all of their sessions.
   *
   * @throws {@link AuthError} `user-unknown`, `factor-unknown`
   */
  async removeOf(userName: string, id: string): Promise<void> {
    const { sessions, users } = this.#parts
    const owner = await users.known(userName)
    if (!(await this.remove(owner, id))) {
      throw new AuthError('factor-unknown', `${owner.name} has no factor ${id}`, {
        hint: `see which there are: countersign user factors ${owner.name}`,
      })
    }
    await sessions.revokeAll(owner.id)
  }

  /**
   * Removes the second factors of a user who has lost them: apps, passkeys and recovery codes, and ends all of their sessions. From
   * then on the password is enough.
   *
   * @returns what was removed
   * @throws {@link AuthError} `user-unknown`
   */
  async reset(userName: string): Promise<FactorInfo[]> {
    const { sessions, users } = this.#parts
    const owner = await users.known(userName)
    const second = (await this.list(owner.id)).filter(({ type }) => SECOND.has(type))
    // Codes last: they end by themselves with the last of the others.
    for (const { id } of second) await this.remove(owner, id)
    if (second.length === 0) return []
    this.tell(owner, 'factors reset', second.map(({ type }) => type).join(' '))
    await sessions.revokeAll(owner.id)
    return second
  }

  /** Tells the audit about somebody's factors. */
  tell({ id: principalId, name }: Owner, reason: string, subject: string): void {
    const { clock, onEvent } = this.#parts
    onEvent({ type: 'user_updated', time: clock(), name, principalId, reason, subject })
  }

  async #end(record: CredentialRecord): Promise<boolean> {
    const { certificates, credentials, publicKeys, revocations } = this.#parts
    const { id, kind, principalId } = record
    if (kind === 'client_cert') return await certificates.revoke(id)
    if (kind === 'jwk') return await publicKeys.revoke(id)
    if (kind !== 'totp' && kind !== 'passkey') return false
    const ended = await credentials.revoke(id, { principalId, kinds: [kind] })
    await revocations.publish([{ credentialId: id }])
    return ended !== undefined
  }
}

interface Owner {
  readonly id: string
  readonly name: string
}

function infoOf(record: CredentialRecord, type: FactorType): FactorInfo {
  const { id, label, created, lastUsed, expires } = record
  return { id, type, label, created, lastUsed, expires }
}

/** Those that stand for themselves in a list. */
export const OWN_KINDS: readonly Exclude<FactorType, 'recovery'>[] = [
  'totp',
  'passkey',
  'jwk',
  'client_cert',
]

/** What is asked for beside a password. */
const SECOND: ReadonlySet<FactorType> = new Set<FactorType>(['totp', 'passkey', 'recovery'])
