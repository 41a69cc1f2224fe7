/**
 * The tables of this room and how they came to be.
 *
 * Times are milliseconds since 1970. Nothing in a row can be replayed: tokens and codes are SHA-256, passwords argon2id.
 *
 * @module
 */
import type { Migration } from '@countersign/store'

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
  }
  auth_onetime: {
    hash: string
    purpose: string
    principal_id: string | null
    created: number
    expires: number
  }
  auth_throttle: { key: string; count: number; expires: number }
}

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
}
