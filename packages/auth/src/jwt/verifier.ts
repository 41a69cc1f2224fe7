/**
 * Verifies tokens of one issuer for one audience: for resource servers, and for this service itself.
 *
 * Strict where libraries are lax, because each laxness has been a hole: the algorithm belongs to the key and the header only has to
 * agree; `jku`, `x5u` and `jwk` are not looked at; `crit` and `b64` are refused; every token has an end.
 *
 * @module
 */
import { type Clock, checkOptions, systemClock } from '@countersign/core'
import { AuthError } from '../errors.ts'
import { isJwtAlgorithm, isSymmetric, type JwtAlgorithm } from './algorithms.ts'
import { CertificateKeys, type SigningCertificates } from './certificate-keys.ts'
import { type ClaimRules, checkClaims } from './claims.ts'
import { readCompact, type CompactToken } from './compact.ts'
import type { JsonObject } from './json-object.ts'
import { type JsonWebKeySet, KeySet, type KeySource } from './key-source.ts'
import { type FetchKeys, RemoteKeys } from './remote-keys.ts'
import { LONGEST_MEMORY_MS, TokenCache } from './token-cache.ts'
import { type JwtClaims, type JwtVerdict, type JwtRefusal, refuseJwt } from './verdict.ts'
import { VerificationKey } from './verification-key.ts'

/** Whose tokens {@link createJwtVerifier} accepts, and for whom they have to be. */
export interface JwtVerifierOptions {
  /** The issuer, letter by letter. */
  issuer: string
  /** Who we are: the token has to be for one of these, letter by letter. */
  audience: string | readonly string[]
  /** The issuer's public keys. */
  jwks?: JsonWebKeySet | undefined
  /** The https address of the issuer's public keys. */
  jwksUri?: string | undefined
  /** Fetches `jwksUri`; bring one that trusts your authority. @defaultValue the platform's */
  fetch?: FetchKeys | undefined
  /** Accepts keys whose certificates tokens bring (`x5c`), where they chain to these roots and bear this name. */
  certificates?: SigningCertificates | undefined
  /** A secret that the issuer knows too, for HS256, HS384 or HS512, which `algorithms` then names alone. */
  secret?: Uint8Array | undefined
  /** @defaultValue `['ES256']` */
  algorithms?: readonly JwtAlgorithm[] | undefined
  /** What `typ` may say; `application/` before it and its case do not count. @defaultValue `['at+jwt']` */
  types?: readonly string[] | undefined
  /** Accepts tokens without `typ` as well. @defaultValue false */
  typeOptional?: boolean | undefined
  /** Claims that must be there beside `iss`, `aud` and `exp`. @defaultValue those of RFC 9068 for `at+jwt`, else none */
  requiredClaims?: readonly string[] | undefined
  /** Seconds by which clocks may differ, at most 300. @defaultValue 30 */
  clockToleranceSeconds?: number | undefined
  /** The most seconds since `iat`. @defaultValue as long as `exp` says */
  maxAgeSeconds?: number | undefined
  /** How long a token that was accepted is not looked at again, at most 5000 milliseconds; 0 always looks. @defaultValue 5000 */
  cacheMs?: number | undefined
  clock?: Clock | undefined
}

/** Verifies tokens. */
export interface JwtVerifier {
  /** What to make of a token; never throws for one. Answers at once where no key has to be fetched. */
  verify(token: string): JwtVerdict | Promise<JwtVerdict>
  /** Forgets what it remembers of tokens that were revoked. */
  drop(revoked: (claims: JwtClaims) => boolean): void
}

/**
 * Makes a verifier.
 *
 * @throws {@link AuthError} `option-invalid`, `jwk-invalid`, `jwks-invalid`; {@link CoreError} `option-unknown`
 */
export function createJwtVerifier(options: JwtVerifierOptions): JwtVerifier {
  checkOptions(options, KNOWN, 'createJwtVerifier')
  const algorithms = readAlgorithms(options)
  return new Verifier(rulesOf(options), keysOf(options, algorithms), {
    algorithms,
    cacheMs: bounded('cacheMs', options.cacheMs ?? LONGEST_MEMORY_MS, LONGEST_MEMORY_MS),
    clock: options.clock ?? systemClock,
  })
}

/** What the headers and claims of tokens have to say. */
export interface JwtRules extends ClaimRules {
  /** Lower case. */
  types: readonly string[]
  typeOptional: boolean
}

/** A verifier over any source of keys. */
export class Verifier implements JwtVerifier {
  readonly #rules: JwtRules
  readonly #keys: KeySource
  readonly #algorithms: readonly string[]
  readonly #clock: Clock
  readonly #cache: TokenCache | undefined

  constructor(
    rules: JwtRules,
    keys: KeySource,
    parts: { algorithms: readonly JwtAlgorithm[]; cacheMs: number; clock: Clock },
  ) {
    this.#rules = rules
    this.#keys = keys
    this.#algorithms = parts.algorithms
    this.#clock = parts.clock
    this.#cache = parts.cacheMs === 0 ? undefined : new TokenCache(parts.cacheMs, CACHE_ENTRIES)
  }

  verify(token: string): JwtVerdict | Promise<JwtVerdict> {
    const key = this.#cache === undefined ? '' : TokenCache.key(token)
    const known = this.#cache?.get(key, this.#clock().getTime())
    if (known !== undefined) return known
    const parts = readCompact(token)
    if ('ok' in parts) return parts
    const refused = this.#checkHeader(parts.header)
    if (refused !== undefined) return refused
    const found = this.#keys.find(parts.header)
    if (found instanceof Promise) return found.then((later) => this.#check(parts, later, key))
    return this.#check(parts, found, key)
  }

  drop(revoked: (claims: JwtClaims) => boolean): void {
    this.#cache?.drop(revoked)
  }

  #check(parts: CompactToken, key: VerificationKey | JwtRefusal, cacheKey: string): JwtVerdict {
    if (!(key instanceof VerificationKey)) return key
    if (!key.verify(parts.signed, parts.signature)) {
      return refuseJwt('signature-invalid', 'the signature is not that of the key')
    }
    const now = this.#clock().getTime()
    const checked = checkClaims(parts.claims, this.#rules, now / 1000)
    if (!checked.ok) return checked
    const { header } = parts
    const verdict = Object.freeze({ ok: true, claims: checked.claims, header } as const)
    this.#cache?.put(cacheKey, verdict, now)
    return verdict
  }

  #checkHeader(header: JsonObject): JwtRefusal | undefined {
    if ('crit' in header) {
      // RFC 7515 §4.1.11: whoever does not understand all of it must refuse; there is nothing here that we would.
      return refuseJwt('critical-header', 'the token wants something understood that is not')
    }
    if ('b64' in header)
      return refuseJwt('unencoded-payload', 'the token is not encoded as a token is')
    const { alg, typ } = header
    if (typeof alg !== 'string' || !this.#algorithms.includes(alg)) {
      return refuseJwt(
        'algorithm-refused',
        `the token is not signed with ${this.#algorithms.join(' or ')}`,
      )
    }
    const { types, typeOptional } = this.#rules
    if (
      typ === undefined ? typeOptional : typeof typ === 'string' && types.includes(typeName(typ))
    ) {
      return undefined
    }
    return refuseJwt('type-refused', `the token is not of the type ${types.join(' or ')}`)
  }
}

/** `typ` as it is compared: RFC 7515 §4.1.9 lets `application/` be left out, and media types have no case. */
function typeName(typ: string): string {
  return typ.toLowerCase().replace(/^application\/(?=[^/]+$)/, '')
}

function rulesOf(options: JwtVerifierOptions): JwtRules {
  const { issuer, audience, maxAgeSeconds } = options
  const audiences = typeof audience === 'string' ? [audience] : audience
  if (typeof issuer !== 'string' || issuer === '') throw invalid('issuer', 'must be a text')
  if (audiences.length === 0 || audiences.some((each) => each === '')) {
    throw invalid('audience', 'must name whom tokens are for')
  }
  const types = (options.types ?? ['at+jwt']).map(typeName)
  if (types.length === 0 && options.typeOptional !== true)
    throw invalid('types', 'must not be empty')
  if (maxAgeSeconds !== undefined) bounded('maxAgeSeconds', maxAgeSeconds, Number.MAX_SAFE_INTEGER)
  return {
    issuer,
    audiences,
    types,
    typeOptional: options.typeOptional ?? false,
    required: options.requiredClaims ?? (types.includes('at+jwt') ? ACCESS_TOKEN_CLAIMS : []),
    toleranceSeconds: bounded('clockToleranceSeconds', options.clockToleranceSeconds ?? 30, 300),
    maxAgeSeconds,
  }
}

function readAlgorithms(options: JwtVerifierOptions): readonly JwtAlgorithm[] {
  const algorithms = [...new Set<JwtAlgorithm>(options.algorithms ?? ['ES256'])]
  if (!algorithms.every((name) => isJwtAlgorithm(name))) {
    throw invalid('algorithms', 'has one that is none of ours')
  }
  if (algorithms.length === 0) throw invalid('algorithms', 'must not be empty')
  const symmetric = algorithms.filter((name) => isSymmetric(name))
  if (options.secret === undefined) {
    if (symmetric.length > 0)
      throw invalid('algorithms', `has ${symmetric.join()}, which needs secret`)
    return algorithms
  }
  // With both kinds a public key could be taken for the secret: the oldest attack on tokens.
  if (symmetric.length !== 1 || algorithms.length !== 1) {
    throw invalid(
      'algorithms',
      'must be one of HS256, HS384, HS512 and nothing else where a secret is given',
    )
  }
  return algorithms
}

function keysOf(options: JwtVerifierOptions, algorithms: readonly JwtAlgorithm[]): KeySource {
  const { jwks, jwksUri, secret, certificates, clock = systemClock } = options
  const given = [jwks, jwksUri, secret].filter((each) => each !== undefined)
  if (given.length > 1 || (given.length === 0 && certificates === undefined)) {
    throw new AuthError(
      'option-invalid',
      'createJwtVerifier: give one of jwks, jwksUri and secret',
      {
        hint: 'the address of the keys stands in the metadata of the issuer: jwks_uri',
      },
    )
  }
  if (secret !== undefined) {
    if (certificates !== undefined) throw invalid('certificates', 'cannot stand beside a secret')
    return new KeySet(algorithms.map((name) => VerificationKey.fromSecret(secret, name)))
  }
  const keys =
    jwksUri === undefined
      ? jwks === undefined
        ? undefined
        : KeySet.read(jwks, algorithms)
      : new RemoteKeys({
          url: jwksUri,
          fetch: options.fetch ?? ((url, init) => fetch(url, init)),
          algorithms,
          clock,
        })
  if (certificates !== undefined) return new CertificateKeys(certificates, algorithms, clock, keys)
  return keys ?? new KeySet([])
}

function bounded(option: string, value: number, most: number): number {
  if (Number.isSafeInteger(value) && value >= 0 && value <= most) return value
  throw invalid(option, `must be a whole number from 0 to ${most}`)
}

function invalid(option: string, fault: string): AuthError {
  return new AuthError('option-invalid', `createJwtVerifier: ${option} ${fault}`)
}

const CACHE_ENTRIES = 10_000
/** RFC 9068 §2.2. */
const ACCESS_TOKEN_CLAIMS = ['sub', 'client_id', 'iat', 'jti']

const KNOWN = [
  'issuer',
  'audience',
  'jwks',
  'jwksUri',
  'fetch',
  'certificates',
  'secret',
  'algorithms',
  'types',
  'typeOptional',
  'requiredClaims',
  'clockToleranceSeconds',
  'maxAgeSeconds',
  'cacheMs',
  'clock',
] as const satisfies readonly (keyof JwtVerifierOptions)[]
