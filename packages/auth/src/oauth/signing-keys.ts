/**
 * The keys this service signs tokens with: made at the first start, sealed at rest, replaced on schedule by one process of many.
 *
 * A key is published as `next` before it signs, so that whoever keeps our set for five minutes knows it in time; it is `current`
 * while it signs, `previous` while tokens it signed may still be about, then `retired`: its name stays, and nothing else of it.
 *
 * @module
 */
import type { Clock } from '@countersign/core'
import type { Kysely, Store, Transaction } from '@countersign/store'
import type { JwtAlgorithm } from '../jwt/algorithms.ts'
import { isJsonObject, type JsonObject } from '../jwt/json-object.ts'
import { KeySet, type KeySource } from '../jwt/key-source.ts'
import { ISSUING_ALGORITHMS, type IssuingAlgorithm, SigningKey } from '../jwt/signing-key.ts'
import { VerificationKey } from '../jwt/verification-key.ts'
import type { AuthTables, SigningKeyState } from '../schema.ts'
import type { SecretBox } from '../secret-box.ts'
import { type KeyChange, type KeyRow, planRotation } from './rotation.ts'

/** What {@link SigningKeys} is made of. */
export interface SigningKeysParts {
  store: Store
  clock: Clock
  box: SecretBox
  algorithm: IssuingAlgorithm
  /** Milliseconds a key signs. */
  rotationMs: number
}

/** One key, as it is listed. */
export interface SigningKeyInfo {
  kid: string
  algorithm: string
  state: SigningKeyState
  created: Date
  activated: Date | undefined
  demoted: Date | undefined
}

/** The signing keys of one store. */
export class SigningKeys implements KeySource {
  readonly #parts: SigningKeysParts
  readonly #db: Kysely<AuthTables>
  #snapshot: Snapshot | undefined
  #loading: Promise<Snapshot> | undefined

  constructor(parts: SigningKeysParts) {
    this.#parts = parts
    this.#db = parts.store.database<AuthTables>()
  }

  /** The key that signs now; makes the first ones, and rotates what is due. */
  async current(): Promise<SigningKey> {
    return (await this.#fresh()).current
  }

  /** The public keys that are published. */
  async published(): Promise<{ keys: readonly JsonObject[] }> {
    return { keys: (await this.#fresh()).jwks }
  }

  /** Finds the key of a token of ours. */
  find(header: JsonObject): ReturnType<KeySource['find']> {
    const snapshot = this.#recent()
    const found = snapshot?.keys.find(header)
    if (found !== undefined && (found instanceof VerificationKey || found.code !== 'key-unknown')) {
      return found
    }
    return this.#findLater(header, snapshot)
  }

  /** Every key and what became of it, the latest first. */
  async list(): Promise<SigningKeyInfo[]> {
    await this.#fresh()
    const rows = await this.#db
      .selectFrom('auth_signing_key')
      .select(['kid', 'alg', 'state', 'created', 'activated', 'demoted'])
      .orderBy('created', 'desc')
      .orderBy('kid')
      .execute()
    return rows.map((row) => ({
      kid: row.kid,
      algorithm: row.alg,
      state: row.state,
      created: new Date(row.created),
      activated: row.activated === null ? undefined : new Date(row.activated),
      demoted: row.demoted === null ? undefined : new Date(row.demoted),
    }))
  }

  /**
   * Lets the next key sign from now on.
   *
   * @param compromised - retires the keys of before at once, so that nothing they signed is accepted any more
   */
  async rotate(compromised: boolean = false): Promise<void> {
    await this.#maintain(compromised ? 'compromised' : 'now')
    this.forget()
  }

  /** Forgets what is remembered: another process may have rotated. */
  forget(): void {
    this.#snapshot = undefined
  }

  async #findLater(
    header: JsonObject,
    before: Snapshot | undefined,
  ): Promise<Awaited<ReturnType<KeySource['find']>>> {
    // A name that nobody has is asked for once a second, whoever invents names.
    const isYoung = before !== undefined && this.#now() - before.read < PAUSE_MS
    return (isYoung ? before : await this.#load()).keys.find(header)
  }

  #recent(): Snapshot | undefined {
    const snapshot = this.#snapshot
    if (snapshot === undefined) return undefined
    const age = this.#now() - snapshot.read
    return age >= 0 && age < KEPT_MS ? snapshot : undefined
  }

  async #fresh(): Promise<Snapshot> {
    return this.#recent() ?? (await this.#load())
  }

  #load(): Promise<Snapshot> {
    this.#loading ??= this.#read().finally(() => {
      this.#loading = undefined
    })
    return this.#loading
  }

  async #read(): Promise<Snapshot> {
    const read = this.#now()
    await this.#maintain('due')
    const rows = await this.#db
      .selectFrom('auth_signing_key')
      .selectAll()
      .where('state', '!=', 'retired')
      .orderBy('created')
      .execute()
    const signing = rows.find((row) => row.state === 'current')
    const algorithm = ISSUING_ALGORITHMS.find((name) => name === signing?.alg)
    if (signing?.private_enc == null || algorithm === undefined) {
      throw new TypeError('a store without a signing key')
    }
    const opened = this.#parts.box.open(signing.private_enc, contextOf(signing.kid))
    const jwks = rows.map((row) => publicOf(row.public))
    this.#snapshot = {
      read,
      current: SigningKey.read(algorithm, opened),
      jwks,
      keys: new KeySet(jwks.map((jwk) => VerificationKey.fromJwk(jwk, OWN_ALGORITHMS))),
    }
    return this.#snapshot
  }

  /** Changes what is due, in one transaction; the keys it may need are made before. */
  async #maintain(urgency: 'due' | 'now' | 'compromised'): Promise<void> {
    const plan = (rows: readonly KeyRow[]): readonly KeyChange[] =>
      planRotation(rows, { ...this.#parts, now: this.#now(), urgency })
    const foreseen = plan(await keyRows(this.#db))
    if (foreseen.length === 0) return
    const made = await Promise.all(
      ['current', 'next'].map(() => SigningKey.generate(this.#parts.algorithm)),
    )
    await this.#parts.store.transaction<AuthTables, void>(async (transaction) => {
      const spare = [...made]
      for (const change of plan(await keyRows(transaction))) {
        if (change.kid !== undefined) await this.#change(transaction, change.kid, change.to)
        else {
          const key = spare.pop()
          if (key !== undefined) await this.#insert(transaction, key, change.to)
        }
      }
    })
  }

  async #change(
    transaction: Transaction<AuthTables>,
    kid: string,
    state: SigningKeyState,
  ): Promise<void> {
    const now = this.#now()
    await transaction
      .updateTable('auth_signing_key')
      .set({
        state,
        ...(state === 'current' ? { activated: now } : { private_enc: null, demoted: now }),
      })
      .where('kid', '=', kid)
      .execute()
  }

  async #insert(
    transaction: Transaction<AuthTables>,
    key: SigningKey,
    state: SigningKeyState,
  ): Promise<void> {
    const now = this.#now()
    await transaction
      .insertInto('auth_signing_key')
      .values({
        kid: key.keyId,
        alg: key.algorithm,
        state,
        public: JSON.stringify(key.publicJwk),
        private_enc: this.#parts.box.seal(key.export(), contextOf(key.keyId)),
        created: now,
        activated: state === 'current' ? now : null,
        demoted: null,
      })
      .execute()
  }

  #now(): number {
    return this.#parts.clock().getTime()
  }
}

interface Snapshot {
  readonly read: number
  readonly current: SigningKey
  readonly jwks: readonly JsonObject[]
  readonly keys: KeySet
}

async function keyRows(db: Kysely<AuthTables>): Promise<readonly KeyRow[]> {
  return await db
    .selectFrom('auth_signing_key')
    .select(['kid', 'alg', 'state', 'created', 'activated', 'demoted'])
    .where('state', '!=', 'retired')
    .orderBy('created')
    .execute()
}

function publicOf(text: string): JsonObject {
  const jwk: unknown = JSON.parse(text)
  if (!isJsonObject(jwk)) throw new TypeError('a signing key without its public half')
  return jwk
}

function contextOf(kid: string): string {
  return `signing-key:${kid}`
}

/** Whatever was the service's algorithm before. */
const OWN_ALGORITHMS: readonly JwtAlgorithm[] = ISSUING_ALGORITHMS
const KEPT_MS = 30_000
const PAUSE_MS = 1000
