/**
 * The name of a key that is made of the key itself: RFC 7638, for the kinds of RFC 7518 §6, RFC 8037 §2 and RFC 9964.
 *
 * @module
 */
import { hash } from 'node:crypto'
import type { JsonObject } from './json-object.ts'

/**
 * The thumbprint of a JSON Web Key: base64url of the SHA-256 over its required members, in the order of their names.
 *
 * @returns `undefined` where a required member is missing or no text, or the kind is unknown
 */
export function jwkThumbprint(jwk: JsonObject): string | undefined {
  const members = typeof jwk['kty'] === 'string' ? REQUIRED.get(jwk['kty']) : undefined
  if (members === undefined) return undefined
  const texts: Record<string, string> = {}
  for (const member of members) {
    const value = jwk[member]
    if (typeof value !== 'string') return undefined
    texts[member] = value
  }
  return hash('sha256', JSON.stringify(texts), 'base64url')
}

/** In the order of their names, which is that of Unicode. */
const REQUIRED: ReadonlyMap<string, readonly string[]> = new Map([
  ['AKP', ['alg', 'kty', 'pub']],
  ['EC', ['crv', 'kty', 'x', 'y']],
  ['OKP', ['crv', 'kty', 'x']],
  ['RSA', ['e', 'kty', 'n']],
])
