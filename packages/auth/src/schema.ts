/**
 * The tables of this room and how they came to be.
 *
 * Times are milliseconds since 1970. Nothing in a row can be replayed: tokens and codes are SHA-256, passwords argon2id.
 *
 * @module
 */
import type { Generated, Migration } from '@countersign/store'

/** Every table, as queries see it. */
export interface AuthTables {
  auth_principal: {
    id: string
    kind: PrincipalKind
    name: string
    name_norm: string
    status: 'active' | 'disabled'
    /** Counts up to end every session and credential made before. */
    epoch: number
    created: number
    disabled_at: number | null
  }
  auth_role: { principal_id: string; role: string }
  auth_password: { principal_id: string; phc: string; changed_at: number }
  auth_session: {
    hash: string
    /** What the session is called where it is listed; says nothing about its token. */
    sid: string
    principal_id: string
    epoch: number
    created: number
    auth_time: number
    last_seen: number
    /** Never after `expires`, so one index serves the sweep. */
    idle_expires: number
    expires: number
    address: string | null
    user_agent: string | null
    /** Words of RFC 8176 with spaces between. */
    amr: Generated<string>
    aal: Generated<1 | 2>
    /** {@link Confirmation} as JSON. */
    cnf: string | null
    /** Stays when the browser is closed, and lives longer. */
    remember: Generated<boolean>
    /** The token before the last renewal: good until `prev_until`, or for as long as the new one has not been seen. */
    prev_hash: string | null
    prev_until: number | null
    /** When the token was last made; 0 asks for a new one at the next request. */
    renewed: Generated<number>
  }
  auth_onetime: {
    hash: string
    purpose: string
    principal_id: string | null
    created: number
    expires: number
    /** The principal's epoch when it was made: a code of before a new password is none. */
    epoch: number | null
  }
  auth_credential: {
    /** A ULID. */
    id: string
    principal_id: string
    kind: CredentialKind
    /** SHA-256 of a token, x5t#S256 of a certificate, thumbprint of a key: base64url. */
    hash: string | null
    /** What may be shown, as JSON. */
    public: string | null
    /** A secret that has to be known again, sealed by `secret-box.ts`. */
    secret_enc: string | null
    /** Words with spaces between; null is everything the roles allow. */
    scopes: string | null
    label: string
    /** The principal's epoch when it was made, where a new password ends it; null where it does not. */
    epoch: number | null
    created: number
    expires: number | null
    last_used: number | null
    revoked_at: number | null
    /** Signature counter of a passkey, last step of a TOTP. */
    counter: Generated<number>
  }
  /** A sign-in that is half done: never a session. */
  auth_pending: {
    hash: string
    principal_id: string
    epoch: number
    /** What has been proved so far (RFC 8176), with spaces between. */
    amr: string
    /** What the next step needs, as JSON. */
    data: string | null
    attempts: number
    created: number
    expires: number
  }
  auth_audit: {
    seq: number
    ts: number
    event: string
    principal_id: string | null
    address: string | null
    /** JSON. */
    detail: string
    prev_hash: string
    hash: string
  }
  /** One row: where the audit log ends. */
  auth_audit_head: { id: number; seq: number; hash: string }
  /** The keys of `secret-box.ts` that this database has been used with; never the keys themselves. */
  auth_key: { id: string; created: number }
  /** One row: counts up with everything that ends, for processes that look whether their memory is still right. */
  auth_revision: { id: number; revision: number }
  auth_throttle: { key: string; count: number; expires: number }
  /** Keys that tokens are signed with. */
  auth_signing_key: {
    /** RFC 7638. */
    kid: string
    alg: string
    state: SigningKeyState
    /** The public JSON Web Key. */
    public: string
    /** Sealed by `secret-box.ts`; gone once it does not sign any more. */
    private_enc: string | null
    created: number
    activated: number | null
    demoted: number | null
  }
  /** What the refresh tokens of one device stand for. */
  auth_refresh_family: {
    /** A ULID; the `sid` of the access tokens that come of it. */
    id: string
    principal_id: string
    client_id: string
    credential_id: string | null
    epoch: number
    /** Words with spaces between; null is everything the roles allow. */
    scopes: string | null
    audience: string
    /** {@link Confirmation} as JSON. */
    cnf: string | null
    auth_time: number
    amr: string
    aal: 1 | 2
    created: number
    expires: number
    revoked_at: number | null
  }
  auth_refresh: {
    hash: string
    family: string
    /** The key of `secret-box.ts` that its successor is computed with. */
    key_id: string
    created: number
    used_at: number | null
  }
}

/** Published before it signs, signing, published after it signed, only a name. */
export type SigningKeyState = 'next' | 'current' | 'previous' | 'retired'

/** What a row of `auth_credential` is. */
export type CredentialKind = 'api_token' | 'jwk' | 'client_cert' | 'passkey' | 'totp' | 'recovery'

/** People and programs are told apart. */
export type PrincipalKind = 'user' | 'service'

/** How the tables are made; a released step never changes. */
export const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '001-principals': {
    statements: [
      `create table auth_principal (
        id {text} primary key not null,
        kind {text} not null check (kind in ('user', 'service')),
        name {text} not null,
        name_norm {text} not null unique,
        status {text} not null check (status in ('active', 'disabled')),
        epoch {integer} not null,
        created {integer} not null,
        disabled_at {integer}
      ) {keyed-table}`,
      `create table auth_role (
        principal_id {text} not null references auth_principal (id) on delete cascade,
        role {text} not null,
        primary key (principal_id, role)
      ) {keyed-table}`,
      'create index auth_role_by_role on auth_role (role)',
      `create table auth_password (
        principal_id {text} primary key not null references auth_principal (id) on delete cascade,
        phc {text} not null,
        changed_at {integer} not null
      ) {keyed-table}`,
    ],
  },
  '002-sessions': {
    statements: [
      `create table auth_session (
        hash {text} primary key not null,
        sid {text} not null unique,
        principal_id {text} not null references auth_principal (id) on delete cascade,
        epoch {integer} not null,
        created {integer} not null,
        auth_time {integer} not null,
        last_seen {integer} not null,
        idle_expires {integer} not null,
        expires {integer} not null,
        address {text},
        user_agent {text}
      ) {keyed-table}`,
      'create index auth_session_by_principal on auth_session (principal_id)',
      'create index auth_session_by_end on auth_session (idle_expires)',
      `create table auth_onetime (
        hash {text} primary key not null,
        purpose {text} not null,
        principal_id {text} references auth_principal (id) on delete cascade,
        created {integer} not null,
        expires {integer} not null
      ) {keyed-table}`,
      'create index auth_onetime_by_end on auth_onetime (expires)',
      `create table auth_throttle (
        key {text} primary key not null,
        count {integer} not null,
        expires {integer} not null
      ) {keyed-table}`,
      'create index auth_throttle_by_end on auth_throttle (expires)',
    ],
  },
  '003-credentials': {
    statements: [
      "alter table auth_session add column amr {text} not null default 'pwd'",
      'alter table auth_session add column aal {integer} not null default 1',
      'alter table auth_session add column cnf {text}',
      'alter table auth_session add column remember {boolean} not null default false',
      'alter table auth_session add column prev_hash {text}',
      'alter table auth_session add column prev_until {integer}',
      'alter table auth_session add column renewed {integer} not null default 0',
      'create index auth_session_by_prev_hash on auth_session (prev_hash)',
      'alter table auth_onetime add column epoch {integer}',
      `create table auth_credential (
        id {text} primary key not null,
        principal_id {text} not null references auth_principal (id) on delete cascade,
        kind {text} not null
          check (kind in ('api_token', 'jwk', 'client_cert', 'passkey', 'totp', 'recovery')),
        hash {text} unique,
        public {text},
        secret_enc {text},
        scopes {text},
        label {text} not null,
        epoch {integer},
        created {integer} not null,
        expires {integer},
        last_used {integer},
        revoked_at {integer},
        counter {integer} not null default 0
      ) {keyed-table}`,
      'create index auth_credential_by_principal on auth_credential (principal_id)',
      'create index auth_credential_by_end on auth_credential (expires)',
      `create table auth_pending (
        hash {text} primary key not null,
        principal_id {text} not null references auth_principal (id) on delete cascade,
        epoch {integer} not null,
        amr {text} not null,
        data {text},
        attempts {integer} not null,
        created {integer} not null,
        expires {integer} not null
      ) {keyed-table}`,
      'create index auth_pending_by_end on auth_pending (expires)',
      `create table auth_audit (
        seq {integer} primary key not null,
        ts {integer} not null,
        event {text} not null,
        principal_id {text},
        address {text},
        detail {text} not null,
        prev_hash {text} not null,
        hash {text} not null
      ) {table}`,
      'create index auth_audit_by_time on auth_audit (ts)',
      'create index auth_audit_by_event on auth_audit (event, seq)',
      `create table auth_audit_head (
        id {integer} primary key not null,
        seq {integer} not null,
        hash {text} not null
      ) {table}`,
      `create table auth_key (
        id {text} primary key not null,
        created {integer} not null
      ) {keyed-table}`,
      `create table auth_revision (
        id {integer} primary key not null,
        revision {integer} not null
      ) {table}`,
      'insert into auth_revision (id, revision) values (1, 0)',
    ],
  },
  '004-tokens': {
    statements: [
      `create table auth_signing_key (
        kid {text} primary key not null,
        alg {text} not null,
        state {text} not null check (state in ('next', 'current', 'previous', 'retired')),
        public {text} not null,
        private_enc {text},
        created {integer} not null,
        activated {integer},
        demoted {integer}
      ) {keyed-table}`,
      "create unique index auth_signing_key_current on auth_signing_key (state) where state = 'current'",
      `create table auth_refresh_family (
        id {text} primary key not null,
        principal_id {text} not null references auth_principal (id) on delete cascade,
        client_id {text} not null references auth_principal (id) on delete cascade,
        credential_id {text},
        epoch {integer} not null,
        scopes {text},
        audience {text} not null,
        cnf {text},
        auth_time {integer} not null,
        amr {text} not null,
        aal {integer} not null,
        created {integer} not null,
        expires {integer} not null,
        revoked_at {integer}
      ) {keyed-table}`,
      'create index auth_refresh_family_by_principal on auth_refresh_family (principal_id)',
      'create index auth_refresh_family_by_end on auth_refresh_family (expires)',
      `create table auth_refresh (
        hash {text} primary key not null,
        family {text} not null references auth_refresh_family (id) on delete cascade,
        key_id {text} not null,
        created {integer} not null,
        used_at {integer}
      ) {keyed-table}`,
      'create index auth_refresh_by_family on auth_refresh (family)',
    ],
  },
  '005-refresh-used': {
    statements: ['create index auth_refresh_by_use on auth_refresh (used_at)'],
  },
}
