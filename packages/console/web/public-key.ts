/**
 * A public key that somebody pastes: a JSON Web Key, or PEM as openssl writes it. A private one is refused here, before it is sent.
 *
 * @module
 */
import type { Signal } from '@preact/signals'
import { ApiError } from './api-error.ts'

/** Reads a key as the JSON Web Key that the service takes; throws what is wrong with the text. */
export async function readPublicKey(text: string): Promise<object> {
  if (!text.includes('-----BEGIN')) return readJwk(text)
  const body = /-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----/.exec(text)
  if (body === null) throw unreadable()
  const der = bytesOf(body[1] ?? '')
  for (const algorithm of ALGORITHMS) {
    const jwk = await exported(der, algorithm)
    if (jwk !== undefined) return jwk
  }
  throw unreadable()
}

/** What is private has no business in a page: whoever pasted it is told before it leaves the browser, and the field forgets it. */
export function refusePrivate(field: Signal<string>): void {
  if (!/PRIVATE KEY-----|"(?:d|p|q|k|priv)"\s*:/.test(field.value)) return
  field.value = ''
  throw new ApiError(
    0,
    'private-key',
    'that was a private key; it was not sent, and the field is empty again',
    'keep it to yourself; give the other half, which the command on this page makes',
  )
}

function readJwk(text: string): object {
  try {
    const jwk: unknown = JSON.parse(text)
    if (typeof jwk === 'object' && jwk !== null && !Array.isArray(jwk)) return jwk
  } catch {
    // Told below.
  }
  throw unreadable()
}

async function exported(
  der: Uint8Array<ArrayBuffer>,
  algorithm: Algorithm,
): Promise<object | undefined> {
  try {
    const key = await crypto.subtle.importKey('spki', der, algorithm, true, ['verify'])
    const { kty, crv, x, y, n, e } = await crypto.subtle.exportKey('jwk', key)
    // PEM does not say how an RSA key signs.
    return kty === 'RSA' ? { kty, n, e, alg: 'PS256' } : { kty, crv, x, y }
  } catch {
    return undefined
  }
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
  } catch {
    throw unreadable()
  }
}

function unreadable(): ApiError {
  return new ApiError(
    0,
    'key-unreadable',
    'that is no public key that this page can read',
    'paste a JSON Web Key, or PEM that begins with BEGIN PUBLIC KEY',
  )
}

interface Algorithm {
  readonly name: string
  readonly namedCurve?: string
  readonly hash?: string
}

const ALGORITHMS: readonly Algorithm[] = [
  { name: 'ECDSA', namedCurve: 'P-256' },
  { name: 'Ed25519' },
  { name: 'ECDSA', namedCurve: 'P-384' },
  { name: 'ECDSA', namedCurve: 'P-521' },
  { name: 'RSA-PSS', hash: 'SHA-256' },
]
