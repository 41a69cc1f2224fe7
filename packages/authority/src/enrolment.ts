/**
 * Enrolment tokens: whoever has one gets one certificate, once, for the names it was made for. Kept as hashes; a token is used up
 * in the transaction that writes its certificate into the ledger, so that of two who use it at once one gets a certificate.
 *
 * @module
 */
import { type Clock, checkOptions } from '@countersign/core'
import {
  json,
  type Kysely,
  type ParameterOf,
  type PreparedQuery,
  type Store,
} from '@countersign/store'
import { hash, randomBytes } from 'node:crypto'
import type { AuditTrail } from './audit-trail.ts'
import { AuthorityError } from './errors.ts'
import type { LedgerTables } from './ledger-schema.ts'
import { checkConstraints } from './constraints.ts'
import type { IssuingRules } from './issuing.ts'
import { checkNames } from './policy.ts'
import { PROFILES, type ProfileName, parseProfile } from './profiles.ts'
import { subjectOfTexts } from './subject.ts'
import { tokenUsed } from './token-used.ts'
import type {
  EnrolmentRequest,
  EnrolmentToken,
  EnrolmentTokens,
  FoundToken,
  NewEnrolmentToken,
} from './enrolment-types.ts'
import type { Issued, IssueRequest } from './issue-types.ts'

/** What {@link Enrolment} is made of. */
export interface EnrolmentParts {
  readonly store: Store
  readonly clock: Clock
  readonly rules: () => IssuingRules
  /** Signs, and uses up the token of this id with it. */
  readonly issue: (request: IssueRequest, tokenId: string) => Promise<Issued>
  readonly audit: AuditTrail | undefined
}

/** Makes, lists, revokes and uses enrolment tokens. */
export class Enrolment implements EnrolmentTokens {
  readonly #parts: EnrolmentParts
  #byHash: PreparedQuery<{ hash: string }, TokenFacts> | undefined

  constructor(parts: EnrolmentParts) {
    this.#parts = parts
  }

  /**
   * Makes a token; the names are read now, so that one that could never be used is not handed out.
   *
   * @throws {@link AuthorityError} `token-option-invalid`, `too-many-tokens`, `profile-unknown`, and as names are refused
   */
  async create(wanted: NewEnrolmentToken): Promise<{ token: string; info: EnrolmentToken }> {
    const { store, clock, audit } = this.#parts
    const { policy, trustDomain, constraints } = this.#parts.rules()
    checkOptions(wanted, ['names', 'profile', 'maxDays', 'ttlMs', 'requester'], 'enrolment token')
    const { names, maxDays, ttlMs = DEFAULT_TTL_MS, requester } = wanted
    const profile = parseProfile(wanted.profile ?? 'server')
    if (!(Number.isFinite(ttlMs) && ttlMs >= 1000 && ttlMs <= MOST_TTL_MS)) {
      throw new AuthorityError('token-option-invalid', 'a token lives a second to 24 hours', {
        hint: 'it is used once, soon after it was made: 5m is enough mostly',
      })
    }
    if (
      maxDays !== undefined &&
      !(Number.isInteger(maxDays) && maxDays > 0 && maxDays <= policy.maxDays)
    ) {
      throw new AuthorityError(
        'token-option-invalid',
        `maxDays must be a whole number from 1 to ${policy.maxDays}`,
      )
    }
    const subject = subjectOfTexts(names, profile, trustDomain, policy.maxNames)
    checkNames(policy, subject.names)
    if (constraints !== undefined) checkConstraints(constraints, subject.names, subject.commonName)
    const token = `${PREFIX}${randomBytes(32).toString('base64url')}`
    const now = clock().getTime()
    const row = {
      id: randomBytes(8).toString('hex'),
      hash: hashOf(token),
      names: json(names.map((name) => name.trim())),
      profile,
      max_days: maxDays ?? null,
      created_by: requester,
      created_at: now,
      expires_at: now + Math.floor(ttlMs),
      used_at: null,
      fingerprint: null,
    }
    await store.transaction<LedgerTables, void>(async (transaction) => {
      // Used ones stay for a while, so that who uses one again is told.
      await transaction
        .deleteFrom('enrolment_token')
        .where('expires_at', '<', now - KEPT_MS)
        .execute()
      const { count } = await transaction
        .selectFrom('enrolment_token')
        .select((eb) => eb.fn.countAll().as('count'))
        .executeTakeFirstOrThrow()
      if (Number(count) >= MOST_TOKENS) {
        throw new AuthorityError(
          'too-many-tokens',
          `there are ${MOST_TOKENS} enrolment tokens already`,
          {
            hint: 'they are forgotten a day after their end: try again then',
          },
        )
      }
      await transaction.insertInto('enrolment_token').values(row).execute()
      await audit?.record(transaction, [
        {
          type: 'authn_token_created',
          name: requester,
          subject: `${row.id} ${names.join(', ')}`,
          reason: `enrolment, profile ${profile}`,
        },
      ])
    })
    const { id, hash: _hash, ...rest } = row
    return { token, info: infoOf({ id, ...rest, names: names.map((name) => name.trim()) }) }
  }

  /** Those that can still be used, the newest first, a thousand at most. */
  async list(): Promise<EnrolmentToken[]> {
    const rows = await this.#database
      .selectFrom('enrolment_token')
      .selectAll()
      .where('expires_at', '>', this.#parts.clock().getTime())
      .where('used_at', 'is', null)
      .orderBy('created_at', 'desc')
      .orderBy('id')
      .limit(1000)
      .execute()
    return rows.map(infoOf)
  }

  /** Takes a token back. @returns whether there was one that could still be used */
  async revoke(id: string): Promise<boolean> {
    const { store, audit } = this.#parts
    return await store.transaction<LedgerTables, boolean>(async (transaction) => {
      const gone = await transaction
        .deleteFrom('enrolment_token')
        .where('id', '=', id)
        .where('used_at', 'is', null)
        .returning('id')
        .executeTakeFirst()
      if (gone === undefined) return false
      await audit?.record(transaction, [{ type: 'authn_token_revoked', subject: id }])
      return true
    })
  }

  /**
   * Finds a token that somebody presents. It is not used up by this.
   *
   * @throws {@link AuthorityError} `token-unknown`, `token-used`, `token-expired`
   */
  async find(token: string): Promise<FoundToken> {
    const { policy, trustDomain } = this.#parts.rules()
    this.#byHash ??= prepareByHash(this.#parts.store)
    const row = TOKEN.test(token) ? await this.#byHash.first({ hash: hashOf(token) }) : undefined
    const good = goodOrFault(row, this.#parts.clock())
    if (good instanceof AuthorityError) {
      const who = row === undefined ? 'nobody' : `token ${row.id}`
      const type = good.code === 'token-used' ? 'authn_token_reuse' : 'authn_token_invalid'
      await this.#parts.audit?.refused(who, 'enrol', good, type)
      throw good
    }
    const info = infoOf(good)
    const { names } = subjectOfTexts(info.names, info.profile, trustDomain, policy.maxNames)
    return { ...info, own: names }
  }

  /**
   * One certificate for the bearer of a token, which is used up by it.
   *
   * @throws {@link AuthorityError} as {@link find}, `profile-refused`, and what the policy refuses: then the token stays good
   */
  async use(found: FoundToken, request: EnrolmentRequest): Promise<Issued> {
    const { id, profile, maxDays } = found
    if (request.profile !== undefined && request.profile !== profile) {
      throw new AuthorityError(
        'profile-refused',
        `the enrolment token is for a certificate of profile ${profile}`,
        { hint: 'leave the profile out' },
      )
    }
    if (maxDays !== undefined && request.days !== undefined && request.days > maxDays) {
      throw new AuthorityError('days-invalid', `the enrolment token is for at most ${maxDays} days`)
    }
    const inRequest = request.csr?.subjectAltNames ?? []
    // Without names of its own a request asks for all that the token is for.
    const names = request.names ?? (inRequest.length === 0 ? found.names : undefined)
    const days =
      request.days ??
      (maxDays === undefined ? undefined : Math.min(maxDays, PROFILES[profile].defaultDays))
    return await this.#parts.issue(
      {
        csr: request.csr,
        names,
        profile,
        days,
        requester: `token ${id}`,
        by: { via: 'token', name: id, own: found.own },
      },
      id,
    )
  }

  get #database(): Kysely<EnrolmentTables> {
    return this.#parts.store.database<EnrolmentTables>()
  }
}

interface TokenFacts {
  readonly id: string
  readonly names: readonly string[]
  readonly profile: ProfileName
  readonly max_days: number | null
  readonly created_by: string
  readonly created_at: number
  readonly expires_at: number
  readonly used_at: number | null
  readonly fingerprint: string | null
}

/** A token that is good, or why it is not. */
function goodOrFault(row: TokenFacts | undefined, now: Date): TokenFacts | AuthorityError {
  const hint = 'ask for a new one: countersign enroll-token NAME'
  if (row === undefined) {
    return new AuthorityError('token-unknown', 'this authority has made no such enrolment token', {
      hint,
    })
  }
  if (row.used_at !== null) return tokenUsed(new Date(row.used_at))
  if (row.expires_at > now.getTime()) return row
  const ended = new Date(row.expires_at).toISOString()
  return new AuthorityError('token-expired', `the enrolment token ended at ${ended}`, { hint })
}

function infoOf(row: TokenFacts): EnrolmentToken {
  return {
    id: row.id,
    names: row.names,
    profile: row.profile,
    maxDays: row.max_days ?? undefined,
    createdBy: row.created_by,
    createdAt: new Date(row.created_at),
    expiresAt: new Date(row.expires_at),
    usedAt: row.used_at === null ? undefined : new Date(row.used_at),
    fingerprint: row.fingerprint ?? undefined,
  }
}

function hashOf(token: string): string {
  return hash('sha256', token, 'base64url')
}

function prepareByHash(store: Store): PreparedQuery<{ hash: string }, TokenFacts> {
  return store.prepare((parameter: ParameterOf<{ hash: string }>) =>
    store
      .database<EnrolmentTables>()
      .selectFrom('enrolment_token')
      .select(TOKEN_COLUMNS)
      .where('hash', '=', parameter('hash')),
  )
}

const PREFIX = 'csgn_enroll_'
const TOKEN = /^csgn_enroll_[A-Za-z0-9_-]{43}$/
const TOKEN_COLUMNS = [
  'id',
  'names',
  'profile',
  'max_days',
  'created_by',
  'created_at',
  'expires_at',
  'used_at',
  'fingerprint',
] as const
const DEFAULT_TTL_MS = 300_000
const MOST_TTL_MS = 86_400_000
const KEPT_MS = 86_400_000
const MOST_TOKENS = 10_000

type EnrolmentTables = Pick<LedgerTables, 'enrolment_token'>
