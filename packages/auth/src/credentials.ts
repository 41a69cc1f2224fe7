/**
 * The credentials of principals, one table for all kinds: API tokens, keys, certificates, second factors.
 *
 * Not here: what a kind means. What can be replayed is stored as a hash, what has to be known again sealed (`secret-box.ts`).
 *
 * @module
 */
import type { Clock } from '@countersign/core'
import {
  isUniqueViolation,
  type Kysely,
  type PreparedQuery,
  type Selectable,
  type Store,
  type Transaction,
} from '@countersign/store'
import { AuthError } from './errors.ts'
import type { AuthTables, CredentialKind } from './schema.ts'
import { ulid } from './ulid.ts'

/** A credential as it is stored. */
export interface CredentialRecord {
  readonly id: string
  readonly principalId: string
  readonly kind: CredentialKind
  readonly hash: string | undefined
  /** What may be shown. */
  readonly public: unknown
  /** Sealed. */
  readonly secret: string | undefined
  readonly scopes: '*' | readonly string[]
  readonly label: string
  readonly epoch: number | undefined
  readonly created: Date
  readonly expires: Date | undefined
  readonly lastUsed: Date | undefined
  readonly revokedAt: Date | undefined
  readonly counter: number
}

/** A credential to be added. */
export interface NewCredential {
  principalId: string
  kind: CredentialKind
  label: string
  /** SHA-256 of a token, x5t#S256 of a certificate, thumbprint of a key. */
  hash?: string | undefined
  public?: unknown
  /** Sealed by `secret-box.ts`. */
  secret?: string | undefined
  /** @defaultValue `'*'` */
  scopes?: '*' | readonly string[] | undefined
  /** Where a new password ends it. */
  epoch?: number | undefined
  expires?: Date | undefined
  counter?: number | undefined
  /** Where it is bound into what is sealed. @defaultValue a new ULID */
  id?: string | undefined
}

/** The credentials of one store. */
export class Credentials {
  readonly #db: Kysely<AuthTables>
  readonly #clock: Clock
  readonly #byHash: PreparedQuery<{ hash: string }, CredentialRow>
  readonly #kinds: PreparedQuery<{ principalId: string }, { kind: CredentialKind }>

  constructor(store: Store, clock: Clock) {
    this.#db = store.database<AuthTables>()
    this.#clock = clock
    const db = this.#db
    this.#byHash = store.prepare<{ hash: string }, CredentialRow>((parameter) =>
      db.selectFrom('auth_credential').selectAll().where('hash', '=', parameter('hash')),
    )
    this.#kinds = store.prepare<{ principalId: string }, { kind: CredentialKind }>((parameter) =>
      db
        .selectFrom('auth_credential')
        .select('kind')
        .distinct()
        .where('principal_id', '=', parameter('principalId'))
        .where('revoked_at', 'is', null),
    )
  }

  /**
   * Adds a credential.
   *
   * @throws {@link AuthError} `credential-taken` where its hash is there already
   */
  async add(
    credential: NewCredential,
    within?: Transaction<AuthTables>,
  ): Promise<CredentialRecord> {
    const time = this.#clock()
    const { scopes = '*' } = credential
    const row: CredentialRow = {
      id: credential.id ?? ulid(time),
      principal_id: credential.principalId,
      kind: credential.kind,
      hash: credential.hash ?? null,
      public: credential.public === undefined ? null : JSON.stringify(credential.public),
      secret_enc: credential.secret ?? null,
      scopes: scopes === '*' ? null : scopes.join(' '),
      label: credential.label,
      epoch: credential.epoch ?? null,
      created: time.getTime(),
      expires: credential.expires?.getTime() ?? null,
      last_used: null,
      revoked_at: null,
      counter: credential.counter ?? 0,
    }
    try {
      await (within ?? this.#db).insertInto('auth_credential').values(row).execute()
    } catch (error) {
      if (!isUniqueViolation(error)) throw error
      throw new AuthError('credential-taken', 'this credential is registered already', {
        cause: error,
      })
    }
    return recordOf(row)
  }

  /** The credential of this hash, whatever became of it, or `undefined`. */
  async findByHash(hash: string): Promise<CredentialRecord | undefined> {
    const row = await this.#byHash.first({ hash })
    return row === undefined ? undefined : recordOf(row)
  }

  /** The credential of this identifier, whatever became of it. */
  async find(id: string): Promise<CredentialRecord | undefined> {
    const row = await this.#db
      .selectFrom('auth_credential')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst()
    return row === undefined ? undefined : recordOf(row)
  }

  /** The kinds of what a principal has that was not revoked. */
  async kindsOf(principalId: string): Promise<ReadonlySet<CredentialKind>> {
    const rows = await this.#kinds.all({ principalId })
    return new Set(rows.map(({ kind }) => kind))
  }

  /** The credentials of a principal, or of everybody, that were not revoked; the latest first. */
  async list(
    filter: {
      principalId?: string | undefined
      kinds?: readonly CredentialKind[] | undefined
    } = {},
  ): Promise<CredentialRecord[]> {
    let query = this.#db
      .selectFrom('auth_credential')
      .selectAll()
      .where('revoked_at', 'is', null)
      .orderBy('id', 'desc')
    const { principalId, kinds } = filter
    if (principalId !== undefined) query = query.where('principal_id', '=', principalId)
    if (kinds !== undefined) query = query.where('kind', 'in', kinds)
    return (await query.execute()).map(recordOf)
  }

  /**
   * Revokes a credential. Its row stays, without its secret.
   *
   * @param principalId - whose it must be; without it anybody's
   * @returns the credential, or `undefined` where there is none that was good
   */
  async revoke(
    id: string,
    filter: {
      principalId?: string | undefined
      kinds?: readonly CredentialKind[] | undefined
    } = {},
  ): Promise<CredentialRecord | undefined> {
    let query = this.#db
      .updateTable('auth_credential')
      .set({ revoked_at: this.#clock().getTime(), secret_enc: null })
      .where('id', '=', id)
      .where('revoked_at', 'is', null)
    const { principalId, kinds } = filter
    if (principalId !== undefined) query = query.where('principal_id', '=', principalId)
    if (kinds !== undefined) query = query.where('kind', 'in', kinds)
    const [row] = await query.returningAll().execute()
    return row === undefined ? undefined : recordOf(row)
  }

  /** Revokes every credential of a kind that a principal has. */
  async revokeAll(
    principalId: string,
    kind: CredentialKind,
    within?: Transaction<AuthTables>,
  ): Promise<void> {
    await (within ?? this.#db)
      .updateTable('auth_credential')
      .set({ revoked_at: this.#clock().getTime(), secret_enc: null })
      .where('principal_id', '=', principalId)
      .where('kind', '=', kind)
      .where('revoked_at', 'is', null)
      .execute()
  }

  /** Writes down that a credential was used, at most once a minute. */
  async touch(credential: CredentialRecord): Promise<void> {
    const now = this.#clock().getTime()
    if (now - (credential.lastUsed?.getTime() ?? 0) < TOUCH_MS) return
    await this.#db
      .updateTable('auth_credential')
      .set({ last_used: now })
      .where('id', '=', credential.id)
      .execute()
  }

  /**
   * Counts a credential up to `counter`: a step or signature that was seen is not accepted twice, however many try at once.
   *
   * @returns whether it was below
   */
  async advance(id: string, counter: number): Promise<boolean> {
    const done = await this.#db
      .updateTable('auth_credential')
      .set({ counter, last_used: this.#clock().getTime() })
      .where('id', '=', id)
      .where('revoked_at', 'is', null)
      .where('counter', '<', counter)
      .executeTakeFirst()
    return Number(done.numUpdatedRows) === 1
  }
}

type CredentialRow = Selectable<AuthTables['auth_credential']>

function recordOf(row: CredentialRow): CredentialRecord {
  return {
    id: row.id,
    principalId: row.principal_id,
    kind: row.kind,
    hash: row.hash ?? undefined,
    public: row.public === null ? undefined : JSON.parse(row.public),
    secret: row.secret_enc ?? undefined,
    scopes: row.scopes === null ? '*' : row.scopes.split(' ').filter((scope) => scope !== ''),
    label: row.label,
    epoch: row.epoch ?? undefined,
    created: new Date(row.created),
    expires: dateOf(row.expires),
    lastUsed: dateOf(row.last_used),
    revokedAt: dateOf(row.revoked_at),
    counter: row.counter,
  }
}

function dateOf(milliseconds: number | null): Date | undefined {
  return milliseconds === null ? undefined : new Date(milliseconds)
}

const TOUCH_MS = 60_000
