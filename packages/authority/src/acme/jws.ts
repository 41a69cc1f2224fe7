/**
 * Signed requests (RFC 8555 §6.2): the flattened form, one signature, nothing unprotected. What `jose` verifies has passed the checks
 * here first, so that nothing in a request chooses how it is verified.
 *
 * @module
 */
import type { KeyObject } from 'node:crypto'
import { errors, flattenedVerify } from 'jose'
import { type AccountKey, parseAccountKey, signatureAlgorithms } from './account-key.ts'
import { fromBase64Url, type Members, parseObject, requiredText } from './json.ts'
import { AcmeProblem, malformed } from './problem.ts'

/** A request that says who signed it; whether they did is for {@link verifyJws} to say. */
export interface Jws {
  readonly algorithm: string
  /** `undefined` of the inner one of a key change, which has none. */
  readonly nonce: string | undefined
  readonly url: string
  /** The key of a request that carries it; then there is no `kid`. */
  readonly key: AccountKey | undefined
  readonly kid: string | undefined
  /** Empty for POST-as-GET. */
  readonly payload: Uint8Array
  readonly parts: {
    readonly protected: string
    readonly payload: string
    readonly signature: string
  }
}

/**
 * Reads a request and every claim of its header.
 *
 * @throws AcmeProblem `malformed`, `badSignatureAlgorithm`, `badPublicKey`
 */
export function parseJws(body: Uint8Array): Jws {
  const jws = jwsOf(parseObject(body, 'the request'), 'the request')
  if (jws.nonce === undefined) throw new AcmeProblem('badNonce', 'the request has no nonce')
  return jws
}

/**
 * Reads the inner request of a key change (RFC 8555 §7.3.5): it has no nonce, and carries its key.
 *
 * @throws AcmeProblem `malformed`, `badSignatureAlgorithm`, `badPublicKey`
 */
export function parseInnerJws(body: Uint8Array): Jws & { readonly key: AccountKey } {
  const jws = jwsOf(parseObject(body, 'the inner request'), 'the inner request')
  const { key } = jws
  if (key === undefined) throw malformed('the inner request must carry the new key as jwk')
  if (jws.nonce !== undefined) throw malformed('the inner request must not have a nonce')
  return { ...jws, key }
}

/** The three members of a flattened JWS, and the header in it. */
export interface JwsParts {
  readonly parts: Jws['parts']
  readonly header: Members
}

/**
 * Takes a flattened JWS apart.
 *
 * @throws AcmeProblem `malformed`
 */
export function splitJws(given: Members, what: string): JwsParts {
  if (given.has('signatures')) throw malformed(`${what} must have one signature, flattened`)
  if (given.has('header')) throw malformed(`${what} has an unprotected header`)
  const extra = [...given.keys()].find((name) => !PARTS.has(name))
  if (extra !== undefined) throw malformed(`${what} has a member nobody knows`)
  const parts = {
    protected: requiredText(given, 'protected', what),
    payload: requiredText(given, 'payload', what),
    signature: requiredText(given, 'signature', what),
  }
  fromBase64Url(parts.payload, `the payload of ${what}`)
  fromBase64Url(parts.signature, `the signature of ${what}`)
  const header = parseObject(
    fromBase64Url(parts.protected, `the protected header of ${what}`),
    `the protected header of ${what}`,
  )
  for (const name of ['crit', 'b64', 'zip']) {
    if (header.has(name)) throw malformed(`"${name}" in the header of ${what} is not taken`)
  }
  return { parts, header }
}

/**
 * Verifies the one signature.
 *
 * @throws AcmeProblem `badSignatureAlgorithm` where the key signs otherwise, `malformed` where the signature is wrong
 */
export async function verifyJws(jws: Jws, key: AccountKey): Promise<void> {
  if (jws.algorithm !== key.algorithm) {
    throw new AcmeProblem('badSignatureAlgorithm', `this key signs with ${key.algorithm}`, {
      algorithms: [key.algorithm],
    })
  }
  await verifyParts(jws.parts, key.keyObject, key.algorithm)
}

/** Verifies with one key and one algorithm. @throws AcmeProblem `malformed` */
export async function verifyParts(
  parts: Jws['parts'],
  key: KeyObject | Uint8Array,
  algorithm: string,
): Promise<void> {
  try {
    await flattenedVerify(parts, key, { algorithms: [algorithm] })
  } catch (error) {
    if (error instanceof errors.JOSEError) throw malformed('the signature is not right')
    throw error
  }
}

function jwsOf(given: Members, what: string): Jws {
  const { parts, header } = splitJws(given, what)
  const algorithm = requiredText(header, 'alg', 'the header')
  const known = signatureAlgorithms()
  if (!known.includes(algorithm)) {
    throw new AcmeProblem('badSignatureAlgorithm', 'requests are not signed with this algorithm', {
      algorithms: known,
    })
  }
  const [jwk, kid] = [header.get('jwk'), header.get('kid')]
  if ((jwk === undefined) === (kid === undefined)) {
    throw malformed('the header must have one of jwk and kid')
  }
  if (kid !== undefined && typeof kid !== 'string') throw malformed('kid must be a string')
  const nonce = header.get('nonce')
  if (nonce !== undefined && typeof nonce !== 'string') throw malformed('nonce must be a string')
  return {
    algorithm,
    nonce,
    url: requiredText(header, 'url', 'the header'),
    key: jwk === undefined ? undefined : parseAccountKey(jwk),
    kid,
    payload: fromBase64Url(parts.payload, 'the payload'),
    parts,
  }
}

const PARTS: ReadonlySet<string> = new Set(['protected', 'payload', 'signature'])
