/**
 * The tables of the authority.
 *
 * - `authority` has one row or none: an authority is made once, and the second of two that try at once is refused by it.
 * - `certificate_authority` has a row for every generation of root and issuer.
 * - `certificate` is the ledger: whatever was signed is here before it leaves.
 * - `revocation` has the entry of every revoked certificate as it stands in a list, numbered for each certificate authority.
 * - `revocation_list` holds the newest list of each certificate authority, and of each part of an issuer's certificates, so that every
 *   process hands out the same: short ones whole, of long ones what stands around the entries.
 * - `crl_partition` has a row for every part of an issuer's certificates that has a list of its own.
 * - `ca_certificate` has what else certifies the key of a certificate authority: cross-certificates, and its own of before.
 * - `rollover` has a row for every change of generation; one of each kind at most is open.
 * - `authority_event` has what happened until the audit log has taken it over; see `audit-trail.ts`.
 * - `enrolment_token` has the hash of every token that is good for one certificate, until a day after its end.
 *
 * @module
 */
import type { Generated, JsonColumn, Migration } from '@countersign/store'
import type { AuthorityEventType } from './event-types.ts'
import type { CaKind } from './ca-certificates.ts'
import type { LedgerProfile, ProfileName } from './profiles.ts'

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
    /** One more with every change of roots and issuers: tells every process to read them again. */
    generation: number
  }
  certificate_authority: {
    /** `issuer-2026-a1b2` */
    id: string
    kind: CaKind
    state: CaState
    /** The id of the root above, null for a root; the active issuer changes it when its root is rolled over. */
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
    /** How many of them have a row in `revocation`: the number of the last one. Fewer where an older version revoked. */
    revocation_entries: number
    /** The part that new certificates belong to. */
    crl_partition: number
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
    /** The id of the root that the chain led to when it was handed out: tells who still needs that root. */
    root: string
    revoked_at: number | null
    revocation_reason: string | null
    /** The part whose list it names; 0 where that is the list about everything, or none. */
    crl_partition: number
    /** The number of its row in `revocation`. */
    revocation_ordinal: number | null
  }
  revocation: {
    ca: string
    /** From 1, without a gap. */
    ordinal: number
    crl_partition: number
    not_after: number
    revoked_at: number
    /** DER. */
    entry: Uint8Array
  }
  crl_partition: {
    ca: string
    /** From 1. */
    number: number
    /** Where its list is found: what its certificates name. */
    url: string
  }
  revocation_list: {
    ca: string
    /** 0 for the list about everything. */
    crl_partition: number
    number: number
    /** `certificate_authority.revocations` when it was made: no later entry is in it. */
    revocations: number
    this_update: number
    next_update: number
    /** The whole list where `tail` is null; else what stands before the entries. */
    head: Uint8Array
    /** What stands behind the entries. */
    tail: Uint8Array | null
    /** The entries of a long list: those of certificates that end after this, */
    ends_after: number
    /** so many bytes, */
    entries_length: number
    /** of which this is the SHA-256, lower-case hex. */
    entries_sha256: string
  }
  ca_certificate: {
    fingerprint: string
    /** Whose key it certifies. */
    ca: string
    /** Who signed it. */
    signer: string
    /** `cross` leads clients that have only `signer` to `ca`; `former` was `ca`'s own certificate. */
    kind: 'cross' | 'former'
    certificate: Uint8Array
    not_after: number
    created_at: number
  }
  rollover: {
    id: string
    kind: CaKind
    /** See `rollover.ts`. */
    step: RolloverStep
    /** 1 while it is under way, else null: the unique index lets one of each kind be open. */
    open: 1 | null
    /** Changed by whoever takes over a rollover that has not come to its end; the one before cannot go on. */
    owner: string
    old_ca: string
    new_ca: string
    /** The file of the new key, to be removed where the process that wrote it was killed. */
    key_file: string
    started_at: number
    published_at: number | null
    retired_at: number | null
  }
  authority_event: {
    id: Generated<number>
    ts: number
    event: AuthorityEventType
    actor: string
    subject: string
    reason: string | null
  }
  enrolment_token: {
    id: string
    /** base64url of the SHA-256 of the token. */
    hash: string
    /** As they were asked for. */
    names: JsonColumn<readonly string[]>
    profile: ProfileName
    max_days: number | null
    created_by: string
    created_at: number
    expires_at: number
    used_at: number | null
    /** Of the certificate that was made for it. */
    fingerprint: string | null
  }
}

/**
 * `active` signs and is trusted. `superseded` has a successor: a root is still published, an issuer still signs its list
 * and answers. `retired` does nothing any more, and its key is gone.
 */
export type CaState = 'active' | 'superseded' | 'retired'

/** How far a rollover has come. */
type RolloverStep = 'begun' | 'published' | 'retired'

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
  '003-rollover': {
    statements: [
      'alter table authority add column generation {integer} not null default 0',
      `alter table certificate add column root {text} not null default ''`,
      `update certificate set root = coalesce(
        (select parent from certificate_authority where id = certificate.ca), '')`,
      `create table ca_certificate (
        fingerprint {text} primary key,
        ca {text} not null references certificate_authority (id),
        signer {text} not null references certificate_authority (id),
        kind {text} not null,
        certificate {bytes} not null,
        not_after {integer} not null,
        created_at {integer} not null
      ) {table}`,
      `create table rollover (
        id {text} primary key,
        kind {text} not null,
        step {text} not null,
        "open" {integer} check ("open" = 1),
        owner {text} not null,
        old_ca {text} not null,
        new_ca {text} not null,
        key_file {text} not null,
        started_at {integer} not null,
        published_at {integer},
        retired_at {integer}
      ) {table}`,
      'create unique index rollover_open on rollover (kind, "open") where "open" is not null',
    ],
  },
  '004-enrolment': {
    statements: [
      `create table enrolment_token (
        id {text} primary key,
        hash {text} not null unique,
        names {json} not null,
        profile {text} not null,
        max_days {integer},
        created_by {text} not null,
        created_at {integer} not null,
        expires_at {integer} not null,
        used_at {integer},
        fingerprint {text}
      ) {table}`,
      'create index enrolment_token_ends on enrolment_token (expires_at)',
    ],
  },
  '005-revocation-entries': {
    statements: [
      'alter table certificate_authority add column revocation_entries {integer} not null default 0',
      'alter table certificate_authority add column crl_partition {integer} not null default 0',
      'alter table certificate add column crl_partition {integer} not null default 0',
      'alter table certificate add column revocation_ordinal {integer}',
      // Empty but for what an older version revoked.
      `create index certificate_unlisted on certificate (ca, serial)
        where revoked_at is not null and revocation_ordinal is null`,
      'create index certificate_partition on certificate (ca, crl_partition, not_after)',
      `create table revocation (
        ca {text} not null references certificate_authority (id),
        ordinal {integer} not null,
        crl_partition {integer} not null,
        not_after {integer} not null,
        revoked_at {integer} not null,
        entry {bytes} not null,
        primary key (ca, ordinal)
      ) {keyed-table}`,
      'create index revocation_partition on revocation (ca, crl_partition, ordinal)',
      `create table crl_partition (
        ca {text} not null references certificate_authority (id),
        number {integer} not null,
        url {text} not null,
        primary key (ca, number)
      ) {table}`,
      'alter table revocation_list rename to revocation_list_whole',
      `create table revocation_list (
        ca {text} not null references certificate_authority (id),
        crl_partition {integer} not null,
        number {integer} not null,
        revocations {integer} not null,
        this_update {integer} not null,
        next_update {integer} not null,
        head {bytes} not null,
        tail {bytes},
        ends_after {integer} not null,
        entries_length {integer} not null,
        entries_sha256 {text} not null,
        primary key (ca, crl_partition)
      ) {table}`,
      `insert into revocation_list (ca, crl_partition, number, revocations, this_update, next_update, head, ends_after,
          entries_length, entries_sha256)
        select ca, 0, number, revocations, this_update, next_update, der, 0, 0, '' from revocation_list_whole`,
      'drop table revocation_list_whole',
    ],
  },
  '006-events': {
    statements: [
      `create table authority_event (
        id {id},
        ts {integer} not null,
        event {text} not null,
        actor {text} not null,
        subject {text} not null,
        reason {text}
      ) {table}`,
    ],
  },
}
