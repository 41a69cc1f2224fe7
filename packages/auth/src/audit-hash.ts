/**
 * What links the rows of the audit log: HMAC-SHA256 under a key that the database does not hold, or plain SHA-256 without one.
 *
 * With a key, whoever can write to the database cannot make rows that fit. Without one they can, but only by writing every row
 * after the first changed one anew.
 *
 * @module
 */
import { hash } from 'node:crypto'
import type { SecretBox } from './secret-box.ts'

/** A row without its own hash. */
export interface AuditRow {
  seq: number
  ts: number
  event: string
  principal_id: string | null
  address: string | null
  detail: string
  prev_hash: string
}

/** What the first row holds in place of a hash. */
export const NO_ROW = '-'

/**
 * The hash of a row: `hmac.KEY.…` or `sha256.…`.
 *
 * @param like - a hash made before, whose kind and key are used; without one those of now
 * @returns what no row has where the key is not there
 */
export function rowHash(secrets: SecretBox, row: AuditRow, like?: string): string {
  const { seq, ts, event, principal_id, address, detail, prev_hash } = row
  const text = JSON.stringify([seq, ts, event, principal_id, address, detail, prev_hash])
  const keyId = like === undefined ? secrets.keyId : keyOfHash(like)
  if (keyId === undefined || !secrets.persistent)
    return `sha256.${hash('sha256', text, 'base64url')}`
  return `hmac.${keyId}.${secrets.mac('audit', text, keyId) ?? ''}`
}

/** The head as it is stored: the hash of the last row, and what only holders of the key can write beside it. */
export function headSeal(secrets: SecretBox, seq: number, last: string, keyId?: string): string {
  if (!secrets.persistent) return last
  const id = keyId ?? secrets.keyId
  return `${last} ${id}.${secrets.mac('audit-head', `${seq} ${last}`, id) ?? ''}`
}

/** The key a hash was made with; `undefined` where it was made without. */
export function keyOfHash(text: string): string | undefined {
  return /^hmac\.([0-9a-f]{8})\./.exec(text)?.[1]
}
