/**
 * Tokens as an attacker would write them: any header, any claims, any bytes, signed by whatever key is at hand.
 */
import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'

export const ISSUER = 'https://issuer.test'
export const AUDIENCE = 'https://api.test'
/** The time at which the tokens of these tests are looked at. */
export const NOW = 1_800_000_000

/** The issuer's keys. */
export const KEYS = {
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  ES384: generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  ES512: generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  EdDSA: generateKeyPairSync('ed25519'),
  RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  'ML-DSA-65': generateKeyPairSync('ml-dsa-65'),
}

/** Everybody else's key. */
export const STRANGER: KeyObject = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey

/** The claims of a good access token (RFC 9068). */
export const CLAIMS = {
  iss: ISSUER,
  aud: AUDIENCE,
  sub: '01JDN9Z8XQ5T7V3W2Y1A0B9C8D',
  client_id: 'robot',
  iat: NOW - 10,
  nbf: NOW - 10,
  exp: NOW + 300,
  jti: 'token-1',
  scope: 'reports:read',
}

export const HEADER = { alg: 'ES256', typ: 'at+jwt', kid: 'ES256' }

/** Signs anything as an issuer would sign a token. */
export function forge(
  header: object | string,
  claims: object | string,
  how: (signed: Buffer) => Uint8Array = signer(KEYS.ES256.privateKey),
): string {
  const signed = `${part(header)}.${part(claims)}`
  return `${signed}.${base64url(how(Buffer.from(signed)))}`
}

/** A good token, but for what is given. */
export function token(claims: object = {}, header: object = {}): string {
  return forge({ ...HEADER, ...header }, { ...CLAIMS, ...claims })
}

/** ECDSA over SHA-256, r and s side by side. */
export function signer(key: KeyObject): (signed: Buffer) => Uint8Array {
  return (signed) => sign('sha256', signed, { key, dsaEncoding: 'ieee-p1363' })
}

export function hmac(secret: string | Uint8Array): (signed: Buffer) => Uint8Array {
  return (signed) => createHmac('sha256', secret).update(signed).digest()
}

export function base64url(value: string | Uint8Array): string {
  return Buffer.from(value).toString('base64url')
}

/** A public JSON Web Key with its name. */
export function jwk(key: KeyObject, more: object = {}): object {
  const publicKey = key.type === 'public' ? key : createPublicKey(key)
  return { ...publicKey.export({ format: 'jwk' }), use: 'sig', ...more }
}

/** The issuer's set. */
export const JWKS = {
  keys: Object.entries(KEYS).map(([name, { publicKey }]) =>
    jwk(publicKey, { kid: name, alg: name }),
  ),
}

/** The parts of a token, decoded. */
export function partsOf(text: string): { header: Buffer; claims: Buffer; signature: Buffer } {
  const [header = '', claims = '', signature = ''] = text.split('.')
  return {
    header: Buffer.from(header, 'base64url'),
    claims: Buffer.from(claims, 'base64url'),
    signature: Buffer.from(signature, 'base64url'),
  }
}

/** The same token under another signature. */
export function resigned(text: string, signature: string | Uint8Array): string {
  const encoded = typeof signature === 'string' ? signature : base64url(signature)
  return `${text.slice(0, text.lastIndexOf('.'))}.${encoded}`
}

function part(value: object | string): string {
  return base64url(typeof value === 'string' ? value : JSON.stringify(value))
}
