/**
 * Bearer secrets: random, handed out once, stored as SHA-256 only. No salt and no slow hash: there is nothing to guess.
 *
 * @module
 */
import { hash, randomBytes } from 'node:crypto'

/** A new token of 256 bits, base64url. */
export function newToken(): string {
  return randomBytes(32).toString('base64url')
}

/** The key a secret is stored under: base64url of its SHA-256. */
export function digest(secret: string): string {
  return hash('sha256', secret, 'base64url')
}
