/**
 * The client certificates of principals: registered by fingerprint, ended together with everything that is bound to them.
 *
 * Not here: who issues them. Whoever revokes one at its authority as well ends the connections that hold it.
 *
 * @module
 */
import { type Clock, checkOptions } from '@countersign/core'
import type { Kysely, Store } from '@countersign/store'
import { Certificate } from '@countersign/x509'
import type { CredentialRecord, Credentials } from '../credentials.ts'
import { AuthError } from '../errors.ts'
import type { OnAuthEvent } from '../events.ts'
import { isJsonObject } from '../jwt/json-object.ts'
import { parseScopes } from '../names.ts'
import { ownedCredentials } from '../owned-credentials.ts'
import { thumbprintOf } from '../peer.ts'
import type { Revocation, Revocations } from '../revocations.ts'
import type { AuthTables } from '../schema.ts'
import type { Sessions } from '../sessions.ts'
import type { Users } from '../users.ts'
import { mayCertify } from './certificate-rules.ts'

/** How a certificate is registered. */
export interface NewCertificateOptions {
  /** What it is for: 1 to 64 characters. @defaultValue `'client certificate'` */
  label?: string | undefined
  /** What may be done with it. @defaultValue `'*'`, everything the roles allow */
  scopes?: '*' | readonly string[] | undefined
}

/** A registered certificate. */
export interface CertificateInfo {
  id: string
  /** Whose it is. */
  name: string
  /** SHA-256 of the certificate, lower-case hex. */
  fingerprint: string
  /** Upper-case hex. */
  serial: string
  /** base64url of the same SHA-256: what sessions and tokens are bound to. */
  thumbprint: string
  label: string
  scopes: '*' | readonly string[]
  created: Date
  expires: Date | undefined
  lastUsed: Date | undefined
}

/** What {@link ClientCertificates} is made of. */
export interface ClientCertificatesParts {
  store: Store
  clock: Clock
  onEvent: OnAuthEvent
  credentials: Credentials
  sessions: Sessions
  users: Users
  revocations: Revocations
}

/** The client certificates of principals. */
export class ClientCertificates {
  readonly #parts: ClientCertificatesParts
  readonly #db: Kysely<AuthTables>

  constructor(parts: ClientCertificatesParts) {
    this.#parts = parts
    this.#db = parts.store.database<AuthTables>()
  }

  /**
   * Registers a certificate for a user or service.
   *
   * @param certificate - PEM text (the first block counts) or DER
   * @throws {@link AuthError} `user-unknown`, `scope-invalid`, `credential-taken`, `option-invalid`; X509Error
   */
  async add(
    userName: string,
    certificate: string | Uint8Array,
    options: NewCertificateOptions = {},
  ): Promise<CertificateInfo> {
    checkOptions(options, ['label', 'scopes'], 'certificates.add')
    const { clock, credentials, onEvent, revocations, users } = this.#parts
    const { id: principalId, name } = await users.known(userName)
    const [leaf] = Certificate.parseAll(certificate, 'option certificate')
    if (leaf === undefined) throw invalid('there is no certificate')
    if (mayCertify(leaf)) throw invalid('an authority is nobody who calls')
    const { label = 'client certificate' } = options
    if (label === '' || label.length > 64) throw invalid('label must have 1 to 64 characters')
    const record = await credentials.add({
      principalId,
      kind: 'client_cert',
      label,
      hash: thumbprintOf(leaf),
      public: { fingerprint: leaf.fingerprint, serial: leaf.serialNumber },
      scopes: options.scopes === undefined ? '*' : parseScopes(options.scopes),
      expires: new Date(leaf.notAfter.getTime() + 1000),
    })
    const subject = record.id
    const reason = 'certificate added'
    onEvent({ type: 'user_updated', time: clock(), name, principalId, reason, subject })
    // A rule may have recognised it until now.
    await revocations.publish([{ credentialId: record.hash }])
    return infoOf(record, name)
  }

  /** The certificates of a user, or of everybody, the latest first. @throws {@link AuthError} `user-unknown` */
  async list(userName?: string): Promise<CertificateInfo[]> {
    const owned = await ownedCredentials(this.#parts, 'client_cert', userName)
    return owned.map(({ record, owner }) => infoOf(record, owner))
  }

  /**
   * Ends a certificate, and every session and token that is bound to it or was got by it: at once in this process and within two
   * seconds in others.
   *
   * @param id - its identifier, or its fingerprint
   * @returns whether there was one
   */
  async revoke(id: string): Promise<boolean> {
    const { clock, credentials, onEvent, revocations, sessions } = this.#parts
    const own = /^[0-9a-f]{64}$/i.test(id)
      ? (await credentials.findByHash(Buffer.from(id, 'hex').toString('base64url')))?.id
      : id
    const record =
      own === undefined ? undefined : await credentials.revoke(own, { kinds: ['client_cert'] })
    if (record?.hash === undefined) return false
    const { principalId, id: subject } = record
    const reason = 'certificate revoked'
    onEvent({ type: 'user_updated', time: clock(), principalId, reason, subject })
    await revocations.publish([{ credentialId: subject }])
    const bound = `%"x5tS256":"${record.hash}"%`
    await sessions.announceEnded(await this.#endSessions(bound, record.hash))
    await revocations.publish(await this.#endTokens(bound, record))
    return true
  }

  /** A thumbprint may hold `_`, which stands for any character in a pattern: what was found is looked at again. */
  async #endSessions(
    bound: string,
    thumbprint: string,
  ): Promise<readonly { sid: string; principal_id: string }[]> {
    const rows = await this.#db
      .selectFrom('auth_session')
      .select(['sid', 'cnf'])
      .where('cnf', 'like', bound)
      .execute()
    const sids = rows.flatMap(({ sid, cnf }) => (cnf?.includes(thumbprint) === true ? [sid] : []))
    if (sids.length === 0) return []
    return await this.#db
      .deleteFrom('auth_session')
      .where('sid', 'in', sids)
      .returning(['sid', 'principal_id'])
      .execute()
  }

  async #endTokens(bound: string, record: CredentialRecord): Promise<Revocation[]> {
    const { credentials } = this.#parts
    const { hash: thumbprint = '', id } = record
    const tokens = await this.#db
      .selectFrom('auth_credential')
      .select(['id', 'public'])
      .where('kind', '=', 'api_token')
      .where('revoked_at', 'is', null)
      .where('public', 'like', bound)
      .execute()
    const ended: Revocation[] = []
    for (const token of tokens) {
      if (token.public?.includes(thumbprint) !== true) continue
      await credentials.revoke(token.id, { kinds: ['api_token'] })
      ended.push({ credentialId: token.id })
    }
    const families = await this.#db
      .selectFrom('auth_refresh_family')
      .select(['id', 'cnf', 'credential_id'])
      .where('revoked_at', 'is', null)
      .where((where) => where.or([where('credential_id', '=', id), where('cnf', 'like', bound)]))
      .execute()
    const sids = families.flatMap((family) =>
      family.credential_id === id || family.cnf?.includes(thumbprint) === true ? [family.id] : [],
    )
    if (sids.length === 0) return ended
    await this.#db
      .updateTable('auth_refresh_family')
      .set({ revoked_at: this.#parts.clock().getTime() })
      .where('id', 'in', sids)
      .execute()
    return [...ended, ...sids.map((sid) => ({ sid }))]
  }
}

function infoOf(record: CredentialRecord, name: string): CertificateInfo {
  const { id, hash: thumbprint = '', label, scopes, created, expires, lastUsed } = record
  const { fingerprint, serial } = isJsonObject(record.public) ? record.public : {}
  return {
    id,
    name,
    fingerprint: String(fingerprint),
    serial: String(serial),
    thumbprint,
    label,
    scopes,
    created,
    expires,
    lastUsed,
  }
}

function invalid(fault: string): AuthError {
  return new AuthError('option-invalid', `certificates.add: ${fault}`)
}
