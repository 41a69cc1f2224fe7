/**
 * The client certificates of principals: registered by fingerprint, ended together with everything that is bound to them.
 *
 * Not here: who issues them (`certificate-authority.ts`). Revoked there as well, a certificate ends the connections that hold it.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { type Clock, checkOptions } from '@countersign/core'
import type { Kysely, Store } from '@countersign/store'
import { Certificate, type PublicKey } from '@countersign/x509'
import type { CredentialRecord, Credentials } from '../credentials.ts'
import { AuthError } from '../errors.ts'
import type { OnAuthEvent } from '../events.ts'
import { isJsonObject } from '../jwt/json-object.ts'
import { isLabel, parseScopes } from '../names.ts'
import { ownedCredentials } from '../owned-credentials.ts'
import { thumbprintOf } from '../peer.ts'
import type { Revocation, Revocations } from '../revocations.ts'
import type { AuthTables } from '../schema.ts'
import type { Sessions } from '../sessions.ts'
import type { Users } from '../users.ts'
import type { CertificateAuthority } from './certificate-authority.ts'
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
  /** Who issued them, where that is known: a certificate that ends here ends there. */
  certificateAuthority: CertificateAuthority | undefined
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
    await this.checkKey(leaf.publicKey, principalId)
    if (!isLabel(label)) throw invalid('label must have 1 to 64 characters that can be seen')
    const record = await credentials.add({
      ...rowOf(leaf),
      principalId,
      label,
      scopes: options.scopes === undefined ? '*' : parseScopes(options.scopes),
    })
    const subject = record.id
    const reason = 'certificate added'
    onEvent({ type: 'user_updated', time: clock(), name, principalId, reason, subject })
    // A rule may have recognised it until now.
    await revocations.publish([{ credentialId: record.hash }])
    return infoOf(record, name)
  }

  /**
   * Refuses a key that somebody else has, or had: whoever brings another's signing request gets no certificate for it.
   *
   * @param principalId - whose it is to be
   * @throws {@link AuthError} `credential-taken`
   */
  async checkKey(key: PublicKey, principalId: string): Promise<void> {
    const text = keyOf(key)
    const rows = await this.#db
      .selectFrom('auth_credential')
      .select('public')
      .where('kind', '=', 'client_cert')
      .where('principal_id', '!=', principalId)
      .where('public', 'like', `%"key":"${text}"%`)
      .execute()
    // `_` stands for any character in a pattern: what was found is looked at again.
    if (!rows.some((row) => row.public?.includes(`"key":"${text}"`))) return
    throw new AuthError('credential-taken', 'this key is registered already')
  }

  /** The certificates of a user, or of everybody, the latest first. @throws {@link AuthError} `user-unknown` */
  async list(userName?: string): Promise<CertificateInfo[]> {
    const owned = await ownedCredentials(this.#parts, 'client_cert', userName)
    return owned.map(({ record, owner }) => infoOf(record, owner))
  }

  /**
   * What may be said against renewing a certificate: it was revoked here, or its owner is disabled.
   *
   * @param fingerprint - SHA-256 of the certificate, lower-case hex
   * @throws {@link AuthError} `certificate-refused`
   */
  async checkRenewal(fingerprint: string): Promise<void> {
    const record = await this.#parts.credentials.findByHash(thumbprintOfHex(fingerprint))
    if (record?.kind !== 'client_cert') return
    const owner = await this.#parts.users.recordById(record.principalId)
    if (record.revokedAt !== undefined || owner?.status !== 'active') throw notLetIn()
  }

  /**
   * Registers the successor of a certificate for the same owner, with the same label and scopes: in one transaction that sees the
   * former unrevoked and its owner active.
   *
   * @param fingerprint - SHA-256 of the former certificate, lower-case hex
   * @returns `undefined` where the former is nobody's: then its successor is nobody's either
   * @throws {@link AuthError} `certificate-refused`
   */
  async renew(fingerprint: string, successor: Certificate): Promise<CertificateInfo | undefined> {
    const { clock, credentials, onEvent, revocations, store } = this.#parts
    const former = await credentials.findByHash(thumbprintOfHex(fingerprint))
    if (former?.kind !== 'client_cert') return undefined
    const { id, principalId, label, scopes } = former
    const [record, name] = await store.transaction<AuthTables, [CredentialRecord, string]>(
      async (transaction) => {
        // Written to, so that whoever revokes it meanwhile waits, and finds the successor.
        const [held] = await transaction
          .updateTable('auth_credential')
          .set({ last_used: clock().getTime() })
          .where('id', '=', id)
          .where('revoked_at', 'is', null)
          .returning('id')
          .execute()
        const owner = await transaction
          .selectFrom('auth_principal')
          .select(['name', 'status'])
          .where('id', '=', principalId)
          .executeTakeFirst()
        if (held === undefined || owner?.status !== 'active') throw notLetIn()
        const row = { ...rowOf(successor), principalId, label, scopes }
        const added = await credentials.add(
          { ...row, public: { ...row.public, renews: id } },
          transaction,
        )
        return [added, owner.name]
      },
    )
    const subject = record.id
    const reason = 'certificate renewed'
    onEvent({ type: 'user_updated', time: clock(), name, principalId, reason, subject })
    await revocations.publish([{ credentialId: record.hash }])
    return infoOf(record, name)
  }

  /**
   * Ends a certificate and those it was renewed to, at their authority as well, and every session and token that is bound to them or
   * was got by them: at once in this process and within two seconds in others.
   *
   * @param id - its identifier, or its fingerprint
   * @returns whether there was one
   */
  async revoke(id: string): Promise<boolean> {
    const { certificateAuthority, credentials } = this.#parts
    const found = /^[0-9a-f]{64}$/i.test(id)
      ? await credentials.findByHash(thumbprintOfHex(id))
      : await credentials.find(id)
    if (found?.kind !== 'client_cert') return false
    // Whoever revoked it may have been stopped before those that it was renewed to.
    if (found.revokedAt !== undefined) return await this.#endSuccessors(found)
    // The row last: where the authority cannot, nothing has ended, and whoever asked hears of it and asks again.
    await certificateAuthority?.revoke(publicOf(found).fingerprint)
    // Told of it by the authority (hearRevoked), this has been done.
    await this.#end(found.id)
    return true
  }

  /**
   * Ends here what its authority has revoked, as {@link revoke} does; the authority is not asked for this one again.
   *
   * @param fingerprint - SHA-256 of the certificate, lower-case hex
   * @returns whether there was one
   */
  async hearRevoked(fingerprint: string): Promise<boolean> {
    const found = await this.#parts.credentials.findByHash(thumbprintOfHex(fingerprint))
    if (found?.kind !== 'client_cert') return false
    return found.revokedAt === undefined
      ? await this.#end(found.id)
      : await this.#endSuccessors(found)
  }

  async #end(id: string): Promise<boolean> {
    const { credentials } = this.#parts
    const record = await credentials.revoke(id, { kinds: ['client_cert'] })
    if (record === undefined) return false
    await this.#endWith(record)
    await this.#endSuccessors(record)
    return true
  }

  /** Those that a certificate was renewed to: a thief may have been the one who did. */
  async #endSuccessors({ id, principalId }: CredentialRecord): Promise<boolean> {
    const left = await this.#parts.credentials.list({ principalId, kinds: ['client_cert'] })
    const successors = left.filter((each) => publicOf(each).renews === id)
    for (const successor of successors) await this.revoke(successor.id)
    return successors.length > 0
  }

  /** What is bound to a certificate that has ended. */
  async #endWith(record: CredentialRecord): Promise<void> {
    const { clock, onEvent, revocations, sessions } = this.#parts
    const { principalId, id: subject, hash: thumbprint = '' } = record
    const reason = 'certificate revoked'
    onEvent({ type: 'user_updated', time: clock(), principalId, reason, subject })
    await revocations.publish([{ credentialId: subject }])
    const bound = `%"x5tS256":"${thumbprint}"%`
    await sessions.announceEnded(await this.#endSessions(bound, thumbprint))
    await revocations.publish(await this.#endTokens(bound, record))
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

function rowOf(leaf: Certificate): {
  kind: 'client_cert'
  hash: string
  public: { fingerprint: string; serial: string; key: string }
  expires: Date
} {
  const { fingerprint, serialNumber: serial, notAfter, publicKey } = leaf
  return {
    kind: 'client_cert',
    hash: thumbprintOf(leaf),
    public: { fingerprint, serial, key: keyOf(publicKey) },
    expires: new Date(notAfter.getTime() + 1000),
  }
}

/** SHA-256 of the public key (its SPKI), base64url. */
function keyOf({ spki }: PublicKey): string {
  return createHash('sha256').update(spki).digest('base64url')
}

/** What stands open in a row: `renews` is the identifier of the certificate that it was renewed from. */
function publicOf(record: CredentialRecord): {
  fingerprint: string
  serial: string
  renews: string | undefined
} {
  const { fingerprint, serial, renews } = isJsonObject(record.public) ? record.public : {}
  return {
    fingerprint: String(fingerprint),
    serial: String(serial),
    renews: typeof renews === 'string' ? renews : undefined,
  }
}

function thumbprintOfHex(fingerprint: string): string {
  return Buffer.from(fingerprint, 'hex').toString('base64url')
}

/** Whoever holds the key of such a certificate need not learn more. */
function notLetIn(): AuthError {
  return new AuthError(
    'certificate-refused',
    'whoever this certificate stands for is not let in any more',
    {
      hint: 'whoever administers the users can make another: countersign user cert NAME',
    },
  )
}

function infoOf(record: CredentialRecord, name: string): CertificateInfo {
  const { id, hash: thumbprint = '', label, scopes, created, expires, lastUsed } = record
  const { fingerprint, serial } = publicOf(record)
  return {
    id,
    name,
    fingerprint,
    serial,
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
