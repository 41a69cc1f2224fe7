/**
 * Keys for external account binding (RFC 8555 §7.3.4): whoever is given one may make an account, and orders with it what the key allows.
 *
 * The secrets are nowhere in the database: each is derived from the key's id and the file `acme.key` of the data folder.
 *
 * @module
 */
import { hkdfSync, randomBytes } from 'node:crypto'
import { link, readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { checkOptions, type Clock, errorCode, writeFileAtomic } from '@countersign/core'
import type { Kysely, Selectable, Store } from '@countersign/store'
import { json } from '@countersign/store'
import type { AuditTrail, NewEvent } from '../audit-trail.ts'
import { AuthorityError } from '../errors.ts'
import { parseNameSpace } from '../name-space.ts'
import type { AcmeTables } from './schema.ts'

/** What {@link ExternalAccountKeys.create} makes. */
export interface ExternalAccountKeyOptions {
  /** For whom it is, for the list. */
  label: string
  /** The names that its accounts may order: `.web.corp.internal`, `10.1.0.0/16`. @defaultValue all that the authority certifies */
  allow?: readonly string[] | undefined
  /** How many accounts may be made with it. @defaultValue 1 */
  uses?: number | undefined
  /** For how many days accounts may be made with it. @defaultValue 7 */
  days?: number | undefined
}

/** A key as it is listed. */
export interface ExternalAccountKey {
  /** The key identifier, `kid`. */
  readonly id: string
  readonly label: string
  readonly allow: readonly string[] | undefined
  readonly usesLeft: number
  readonly createdAt: Date
  readonly expiresAt: Date
  readonly revokedAt: Date | undefined
  /** How many accounts were made with it. */
  readonly accounts: number
}

/** A new key: the only time that its secret is shown. */
export interface NewExternalAccountKey {
  readonly id: string
  /** The MAC key in base64url, as clients take it. */
  readonly hmacKey: string
  readonly expiresAt: Date
}

/** The keys of an authority. */
export class ExternalAccountKeys {
  readonly #database: Kysely<AcmeTables>
  readonly #master: Uint8Array
  readonly #clock: Clock
  readonly #store: Store
  readonly #audit: AuditTrail | undefined

  /** @param audit - keeps who made and took back keys */
  constructor(store: Store, master: Uint8Array, clock: Clock, audit: AuditTrail | undefined) {
    this.#store = store
    this.#database = store.database<AcmeTables>()
    this.#master = master
    this.#clock = clock
    this.#audit = audit
  }

  /**
   * Makes a key.
   *
   * @throws {@link AuthorityError} `option-invalid`; CoreError `option-unknown`
   */
  async create(options: ExternalAccountKeyOptions): Promise<NewExternalAccountKey> {
    checkOptions(options, ['label', 'allow', 'uses', 'days'], 'create')
    const { label, allow, uses = 1, days = 7 } = options
    if (!/^[^\p{Cc}]{1,100}$/u.test(label)) throw invalid('label must be 1 to 100 characters')
    if (!Number.isInteger(uses) || uses < 1 || uses > 10_000) {
      throw invalid('uses must be a whole number from 1 to 10000')
    }
    if (!(days > 0 && days <= 3650)) throw invalid('days must be above 0, at most 3650')
    if (allow !== undefined) {
      if (allow.length === 0) throw invalid('allow must name something')
      parseNameSpace(allow, 'allow', 'option-invalid')
    }
    const id = randomBytes(12).toString('base64url')
    const created = this.#clock().getTime()
    const expires = created + Math.floor(days * DAY_MS)
    await this.#store.transaction<AcmeTables, void>(async (transaction) => {
      await transaction
        .insertInto('acme_eab_key')
        .values({
          id,
          label,
          allow: allow === undefined ? null : json(allow),
          uses_left: uses,
          created_at: created,
          expires_at: expires,
          revoked_at: null,
        })
        .execute()
      await this.#audit?.record(transaction, [
        { type: 'authn_token_created', subject: `${id} ${label}`, reason: REASON },
      ])
    })
    const hmacKey = Buffer.from(this.secret(id)).toString('base64url')
    return { id, hmacKey, expiresAt: new Date(expires) }
  }

  /** Every key, the newest first. */
  async list(): Promise<ExternalAccountKey[]> {
    const rows = await this.#database
      .selectFrom('acme_eab_key as key')
      .selectAll('key')
      .select((eb) =>
        eb
          .selectFrom('acme_account as account')
          .select((inner) => inner.fn.countAll<number>().as('count'))
          .whereRef('account.eab_key', '=', 'key.id')
          .as('accounts'),
      )
      .orderBy('key.created_at', 'desc')
      .orderBy('key.id')
      .execute()
    return rows.map((row) => ({
      id: row.id,
      label: row.label,
      allow: row.allow ?? undefined,
      usesLeft: row.uses_left,
      createdAt: new Date(row.created_at),
      expiresAt: new Date(row.expires_at),
      revokedAt: row.revoked_at === null ? undefined : new Date(row.revoked_at),
      accounts: row.accounts ?? 0,
    }))
  }

  /**
   * Takes a key back: no account is made with it any more, and those that were order nothing more. Certificates stay.
   *
   * @returns how many accounts ended, or `undefined` where there is no such key
   */
  async revoke(id: string): Promise<number | undefined> {
    return await this.#store.transaction<AcmeTables, number | undefined>(async (transaction) => {
      const known = await transaction
        .selectFrom('acme_eab_key')
        .select('label')
        .where('id', '=', id)
        .executeTakeFirst()
      if (known === undefined) return undefined
      const { numUpdatedRows } = await transaction
        .updateTable('acme_eab_key')
        .set({ revoked_at: this.#clock().getTime() })
        .where('id', '=', id)
        .where('revoked_at', 'is', null)
        .executeTakeFirstOrThrow()
      const ended = await transaction
        .updateTable('acme_account')
        .set({ status: 'revoked' })
        .where('eab_key', '=', id)
        .where('status', '=', 'valid')
        .returning('id')
        .execute()
      if (numUpdatedRows > 0n) {
        const what = { type: 'authn_token_revoked', subject: `${id} ${known.label}` } as const
        await this.#audit?.record(transaction, [{ ...what, reason: REASON }])
      }
      await this.#audit?.record(
        transaction,
        ended.map((account) => accountRevoked(account.id)),
      )
      return ended.length
    })
  }

  /** A key that accounts can still be made with, or `undefined`. */
  async usable(id: string): Promise<Selectable<AcmeTables['acme_eab_key']> | undefined> {
    return await this.#database
      .selectFrom('acme_eab_key')
      .selectAll()
      .where('id', '=', id)
      .where('revoked_at', 'is', null)
      .where('uses_left', '>', 0)
      .where('expires_at', '>', this.#clock().getTime())
      .executeTakeFirst()
  }

  /** The MAC key of an id, whether or not there is one. */
  secret(id: string): Uint8Array {
    const salt = new Uint8Array(0)
    return new Uint8Array(hkdfSync('sha256', this.#master, salt, `acme eab ${id}`, 64))
  }
}

/**
 * The secret that the keys are derived from: the file `acme.key`, made where it is missing. Of two processes that make it at once,
 * both use the one that came first.
 *
 * @throws {@link AuthorityError} `key-malformed`; CoreError `file-write-failed`
 */
export async function readMasterKey(folder: string): Promise<Uint8Array> {
  const file = path.join(folder, MASTER_KEY_FILE)
  const present = await readMaster(file)
  if (present !== undefined) return present
  const staged = `${file}.${randomBytes(6).toString('hex')}`
  await writeFileAtomic(staged, `${randomBytes(32).toString('base64url')}\n`)
  try {
    // Unlike a rename, a link never takes the place of a file that is there.
    await link(staged, file)
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error
  } finally {
    await rm(staged, { force: true })
  }
  const made = await readMaster(file)
  if (made !== undefined) return made
  throw new AuthorityError('key-missing', `${file} was removed while it was made`)
}

async function readMaster(file: string): Promise<Uint8Array | undefined> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
  const bytes = Buffer.from(text.trim(), 'base64url')
  if (bytes.length === 32) return bytes
  throw new AuthorityError('key-malformed', `${file} does not hold 32 bytes in base64url`, {
    hint: 'put it back from a backup, or remove it: keys of acme eab that were not used yet have to be made again',
  })
}

function invalid(message: string): AuthorityError {
  return new AuthorityError('option-invalid', message)
}

/** What the audit log tells of an account that an operator has ended. */
export function accountRevoked(id: string): NewEvent {
  return { type: 'user_updated', subject: `ACME account ${id}`, reason: 'revoked' }
}

const REASON = 'external account binding'
/** Its name in the folder. */
const MASTER_KEY_FILE = 'acme.key'
const DAY_MS = 86_400_000
