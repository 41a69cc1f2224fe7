/**
 * Public keys of principals: whoever holds the private half proves with a signature who they are, and no secret is ever sent.
 *
 * @module
 */
import { type Clock, checkOptions } from '@countersign/core'
import type { CredentialRecord, Credentials } from '../credentials.ts'
import { AuthError } from '../errors.ts'
import type { OnAuthEvent } from '../events.ts'
import { isJsonObject, type JsonObject } from '../jwt/json-object.ts'
import { isLabel, parseScopes } from '../names.ts'
import { ownedCredentials } from '../owned-credentials.ts'
import type { Revocations } from '../revocations.ts'
import type { Users } from '../users.ts'
import { readAssertionKey } from './assertions.ts'

/** How a key is registered. */
export interface NewKeyOptions {
  /** What it is for: 1 to 64 characters. @defaultValue `'public key'` */
  label?: string | undefined
  /** What tokens got with it may be used for. @defaultValue `'*'`, everything the roles allow */
  scopes?: '*' | readonly string[] | undefined
  /** Days after which it is not accepted any more, at most 3650. @defaultValue none */
  days?: number | undefined
}

/** A registered key. */
export interface KeyInfo {
  id: string
  /** Whose it is. */
  name: string
  /** The name by which assertions say which key signed them. */
  kid: string
  algorithm: string
  thumbprint: string
  label: string
  scopes: '*' | readonly string[]
  created: Date
  expires: Date | undefined
  lastUsed: Date | undefined
}

/** What {@link ClientKeys} is made of. */
export interface ClientKeysParts {
  clock: Clock
  onEvent: OnAuthEvent
  credentials: Credentials
  users: Users
  revocations: Revocations
}

/** The public keys of principals. */
export class ClientKeys {
  readonly #parts: ClientKeysParts

  constructor(parts: ClientKeysParts) {
    this.#parts = parts
  }

  /**
   * Registers a public key for a user or service.
   *
   * @throws {@link AuthError} `user-unknown`, `jwk-invalid`, `scope-invalid`, `credential-taken`, `option-invalid`
   */
  async add(userName: string, jwk: object, options: NewKeyOptions = {}): Promise<KeyInfo> {
    checkOptions(options, ['label', 'scopes', 'days'], 'keys.add')
    const { clock, credentials, onEvent, users } = this.#parts
    const { id: principalId, name } = await users.known(userName)
    const read = readAssertionKey(asObject(jwk))
    const { label = 'public key', days } = options
    if (!isLabel(label)) throw invalid('label must have 1 to 64 characters that can be seen')
    if (days !== undefined && !(Number.isInteger(days) && days >= 1 && days <= 3650)) {
      throw invalid('days must be a whole number from 1 to 3650')
    }
    const time = clock()
    const record = await credentials.add({
      principalId,
      kind: 'jwk',
      label,
      hash: read.thumbprint,
      public: { jwk: read.jwk },
      scopes: options.scopes === undefined ? '*' : parseScopes(options.scopes),
      expires: days === undefined ? undefined : new Date(time.getTime() + days * DAY_MS),
    })
    const subject = record.id
    onEvent({ type: 'user_updated', time, name, principalId, reason: 'key added', subject })
    return infoOf(record, name)
  }

  /** The keys of a user, or of everybody, the latest first. @throws {@link AuthError} `user-unknown` */
  async list(userName?: string): Promise<KeyInfo[]> {
    const owned = await ownedCredentials(this.#parts, 'jwk', userName)
    return owned.map(({ record, owner }) => infoOf(record, owner))
  }

  /**
   * Revokes a key, and with it every token that was got by it.
   *
   * @returns whether there was one
   */
  async revoke(id: string): Promise<boolean> {
    const { clock, credentials, onEvent, revocations } = this.#parts
    const record = await credentials.revoke(id, { kinds: ['jwk'] })
    if (record === undefined) return false
    const { principalId } = record
    onEvent({
      type: 'user_updated',
      time: clock(),
      principalId,
      reason: 'key revoked',
      subject: id,
    })
    await revocations.publish([{ credentialId: id }])
    return true
  }
}

/** As it would arrive over the wire: nothing but JSON, and a copy. */
function asObject(jwk: object): JsonObject {
  const value: unknown = JSON.parse(JSON.stringify(jwk))
  if (isJsonObject(value)) return value
  throw new AuthError('jwk-invalid', 'the key is no JSON object')
}

function infoOf(record: CredentialRecord, name: string): KeyInfo {
  const { id, hash = '', label, scopes, created, expires, lastUsed } = record
  const jwk = isJsonObject(record.public) ? record.public['jwk'] : undefined
  const { kid, alg } = isJsonObject(jwk) ? jwk : {}
  return {
    id,
    name,
    kid: String(kid),
    algorithm: String(alg),
    thumbprint: hash,
    label,
    scopes,
    created,
    expires,
    lastUsed,
  }
}

function invalid(fault: string): AuthError {
  return new AuthError('option-invalid', `keys.add: ${fault}`)
}

const DAY_MS = 86_400_000
