/**
 * The tables of ACME; the room's own set of migrations, `acme`.
 *
 * A status that runs out by time alone is not written: who reads a row asks its `expires_at` as well.
 *
 * @module
 */
import type { JsonColumn, Kysely, Migration, Transaction } from '@countersign/store'

/** One name that is ordered (RFC 8555 §9.7.7, RFC 8738): a wildcard keeps its star. */
export interface Identifier {
  readonly type: 'dns' | 'ip'
  readonly value: string
}

/** A problem as it is sent and kept. */
export interface ProblemDocument {
  readonly type: string
  readonly title?: string | undefined
  readonly detail: string
  readonly status: number
  readonly identifier?: Identifier | undefined
  readonly subproblems?: readonly ProblemDocument[] | undefined
  /** Of `badSignatureAlgorithm`: those that are taken. */
  readonly algorithms?: readonly string[] | undefined
}

/** The methods of validation (RFC 8555 §8, RFC 8737). */
export type ChallengeType = 'http-01' | 'dns-01' | 'tls-alpn-01'

/** Members of a JSON Web Key that are kept: those that its thumbprint is made of (RFC 7638). */
export type AccountJwk = Readonly<Record<string, string>>

/** Times are milliseconds since 1970; ids are random, in base64url. */
export interface AcmeTables {
  acme_setting: {
    id: 1
    /** Makes nonces of this authority tell from all others. */
    nonce_key: Uint8Array
  }
  /** Nonces that were used and are young enough to be taken again. */
  acme_nonce: { nonce: string; expires_at: number }
  acme_eab_key: {
    id: string
    label: string
    /** The names that its accounts may order, as in a policy; null for all. */
    allow: JsonColumn<readonly string[] | null>
    uses_left: number
    created_at: number
    expires_at: number
    revoked_at: number | null
  }
  acme_account: {
    id: string
    status: 'valid' | 'deactivated' | 'revoked'
    jwk: JsonColumn<AccountJwk>
    /** RFC 7638, SHA-256, in base64url; unique over accounts that have ended as well. */
    thumbprint: string
    contact: JsonColumn<readonly string[]>
    terms_agreed: boolean
    eab_key: string | null
    /** Where it was made from: an address, or the /64 of one. */
    created_from: string
    created_at: number
  }
  acme_order: {
    id: string
    account: string
    status: 'pending' | 'ready' | 'processing' | 'valid' | 'invalid'
    identifiers: JsonColumn<readonly Identifier[]>
    profile: string
    not_after: number | null
    /** The certificate that it replaces (RFC 9773 §5), by its ARI identifier. */
    replaces: string | null
    error: JsonColumn<ProblemDocument | null>
    /** While it is processing: what is to be signed, and since when. */
    csr: Uint8Array | null
    claimed_at: number | null
    certificate: string | null
    created_at: number
    expires_at: number
  }
  acme_authorization: {
    id: string
    account: string
    identifier_type: Identifier['type']
    /** Without a star. */
    identifier_value: string
    wildcard: boolean
    status: 'pending' | 'valid' | 'invalid' | 'deactivated'
    created_at: number
    expires_at: number
  }
  acme_order_authorization: { order_id: string; authorization_id: string; position: number }
  acme_challenge: {
    id: string
    authorization_id: string
    type: ChallengeType
    token: string
    status: 'pending' | 'processing' | 'valid' | 'invalid'
    error: JsonColumn<ProblemDocument | null>
    /** While it is processing: since when somebody is at it. */
    claimed_at: number | null
    /** When it became valid or invalid. */
    decided_at: number | null
  }
  acme_certificate: {
    id: string
    account: string
    /** SHA-256, lower-case hex: its row in the ledger. */
    fingerprint: string
    /** RFC 9773 §4.1. */
    ari_id: string
    /** Leaf, then issuer, then root, as they were handed out. */
    chain: JsonColumn<readonly string[]>
    not_after: number
    created_at: number
    /** The order that replaced it. */
    replaced_by: string | null
  }
}

/** Outside of a transaction, or inside. */
export type AcmeDatabase = Kysely<AcmeTables> | Transaction<AcmeTables>

/** The migrations. */
export const ACME_MIGRATIONS: Readonly<Record<string, Migration>> = {
  '001-acme': {
    statements: [
      `create table acme_setting (
        id {integer} primary key check (id = 1),
        nonce_key {bytes} not null
      ) {table}`,
      `create table acme_nonce (
        nonce {text} primary key,
        expires_at {integer} not null
      ) {keyed-table}`,
      'create index acme_nonce_expires on acme_nonce (expires_at)',
      `create table acme_eab_key (
        id {text} primary key,
        label {text} not null,
        allow {json},
        uses_left {integer} not null,
        created_at {integer} not null,
        expires_at {integer} not null,
        revoked_at {integer}
      ) {table}`,
      `create table acme_account (
        id {text} primary key,
        status {text} not null,
        jwk {json} not null,
        thumbprint {text} not null unique,
        contact {json} not null,
        terms_agreed {boolean} not null,
        eab_key {text} references acme_eab_key (id),
        created_from {text} not null,
        created_at {integer} not null
      ) {table}`,
      'create index acme_account_from on acme_account (created_from, created_at)',
      `create table acme_order (
        id {text} primary key,
        account {text} not null references acme_account (id),
        status {text} not null,
        identifiers {json} not null,
        profile {text} not null,
        not_after {integer},
        replaces {text},
        error {json},
        csr {bytes},
        claimed_at {integer},
        certificate {text},
        created_at {integer} not null,
        expires_at {integer} not null
      ) {table}`,
      'create index acme_order_account on acme_order (account, created_at, id)',
      'create index acme_order_expires on acme_order (expires_at)',
      `create table acme_authorization (
        id {text} primary key,
        account {text} not null references acme_account (id),
        identifier_type {text} not null,
        identifier_value {text} not null,
        wildcard {boolean} not null,
        status {text} not null,
        created_at {integer} not null,
        expires_at {integer} not null
      ) {table}`,
      'create index acme_authorization_name on acme_authorization (account, identifier_value, status)',
      'create index acme_authorization_expires on acme_authorization (expires_at)',
      `create table acme_order_authorization (
        order_id {text} not null,
        authorization_id {text} not null,
        position {integer} not null,
        primary key (order_id, position)
      ) {keyed-table}`,
      'create index acme_order_authorization_back on acme_order_authorization (authorization_id)',
      `create table acme_challenge (
        id {text} primary key,
        authorization_id {text} not null,
        type {text} not null,
        token {text} not null,
        status {text} not null,
        error {json},
        claimed_at {integer},
        decided_at {integer}
      ) {table}`,
      'create index acme_challenge_authorization on acme_challenge (authorization_id)',
      'create index acme_challenge_claimed on acme_challenge (claimed_at) where claimed_at is not null',
      `create table acme_certificate (
        id {text} primary key,
        account {text} not null references acme_account (id),
        fingerprint {text} not null,
        ari_id {text} not null unique,
        chain {json} not null,
        not_after {integer} not null,
        created_at {integer} not null,
        replaced_by {text}
      ) {table}`,
      'create index acme_certificate_fingerprint on acme_certificate (fingerprint)',
      'create index acme_certificate_ends on acme_certificate (not_after)',
    ],
  },
}
