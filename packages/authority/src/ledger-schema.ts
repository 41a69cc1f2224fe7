/**
 * The tables of the authority.
 *
 * - `authority` has one row or none: an authority is made once, and the second of two that try at once is refused by it.
 * - `certificate_authority` has a row for every generation of root and issuer.
 * - `certificate` is the ledger: whatever was signed is here before it leaves.
 * - `revocation_list` holds the newest list of each certificate authority, so that every process hands out the same.
 *
 * @module
 */
import type { JsonColumn, Migration } from '@countersign/store'
import type { CaKind } from './ca-certificates.ts'
import type { LedgerProfile } from './profiles.ts'

/** Times are milliseconds since 1970; serials upper-case hex; fingerprints and key ids lower-case hex. */
export interface LedgerTables {
  authority: {
    id: 1
    /** Names the staged key files, until they have their place. */
    init_id: string
    organization: string
    trust_domain: string
    /** The option `constrain`, or null without it. */
    constrain: JsonColumn<readonly string[] | null>
    created_at: number
    /** Where clients reach the authority, for every process that issues; null until somebody has said. */
    public_url: string | null
  }
  certificate_authority: {
    /** `issuer-2026-a1b2` */
    id: string
    kind: CaKind
    /** `active` signs and is trusted, `retired` is neither; a rollover puts states in between. */
    state: 'active' | 'retired'
    /** The id of the root above, null for a root. */
    parent: string | null
    subject: string
    serial: string
    key_id: string
    fingerprint: string
    certificate: Uint8Array
    /** Its name in the folder. */
    key_file: string
    not_before: number
    not_after: number
    created_at: number
    revoked_at: number | null
    revocation_reason: string | null
    /** The number that the next revocation list gets is one above. */
    crl_number: number
    /** How many certificates under it were revoked: tells a list that lacks one. */
    revocations: number
  }
  certificate: {
    ca: string
    serial: string
    profile: LedgerProfile
    requester: string
    /** One a line. */
    names: string
    key_type: string
    fingerprint: string
    certificate: Uint8Array
    not_before: number
    not_after: number
    issued_at: number
    revoked_at: number | null
    revocation_reason: string | null
  }
  revocation_list: {
    ca: string
    number: number
    /** `certificate_authority.revocations` when it was made. */
    revocations: number
    this_update: number
    next_update: number
    der: Uint8Array
  }
}

/** The room's migrations. */
export const LEDGER_MIGRATIONS: Readonly<Record<string, Migration>> = {
  '001-ledger': {
    statements: [
      `create table authority (
        id {integer} primary key check (id = 1),
        init_id {text} not null,
        organization {text} not null,
        trust_domain {text} not null,
        "constrain" {json},
        created_at {integer} not null
      ) {table}`,
      `create table certificate_authority (
        id {text} primary key,
        kind {text} not null,
        state {text} not null,
        parent {text} references certificate_authority (id),
        subject {text} not null unique,
        serial {text} not null,
        key_id {text} not null unique,
        fingerprint {text} not null unique,
        certificate {bytes} not null,
        key_file {text} not null,
        not_before {integer} not null,
        not_after {integer} not null,
        created_at {integer} not null,
        revoked_at {integer},
        revocation_reason {text},
        crl_number {integer} not null,
        revocations {integer} not null
      ) {table}`,
      `create table certificate (
        ca {text} not null references certificate_authority (id),
        serial {text} not null,
        profile {text} not null,
        requester {text} not null,
        names {text} not null,
        key_type {text} not null,
        fingerprint {text} not null,
        certificate {bytes} not null,
        not_before {integer} not null,
        not_after {integer} not null,
        issued_at {integer} not null,
        revoked_at {integer},
        revocation_reason {text},
        primary key (serial, ca)
      ) {table}`,
      'create unique index certificate_fingerprint on certificate (fingerprint)',
      'create index certificate_issued on certificate (issued_at, fingerprint)',
      'create index certificate_ends on certificate (not_after, fingerprint)',
      'create index certificate_revoked on certificate (ca, revoked_at) where revoked_at is not null',
      `create table revocation_list (
        ca {text} primary key references certificate_authority (id),
        number {integer} not null,
        revocations {integer} not null,
        this_update {integer} not null,
        next_update {integer} not null,
        der {bytes} not null
      ) {table}`,
    ],
  },
  '002-public-url': { statements: ['alter table authority add column public_url {text}'] },
}
