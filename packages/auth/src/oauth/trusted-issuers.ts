/**
 * Issuers of others whose tokens this service exchanges for its own (RFC 7523 §2.1): a cluster, a forge, another identity provider.
 *
 * @module
 */
import { type Clock, checkOptions } from '@countersign/core'
import { AuthError } from '../errors.ts'
import type { JwtAlgorithm } from '../jwt/algorithms.ts'
import type { JsonWebKeySet } from '../jwt/key-source.ts'
import type { FetchKeys } from '../jwt/remote-keys.ts'
import type { JwtClaims } from '../jwt/verdict.ts'
import { createJwtVerifier, type JwtVerifier } from '../jwt/verifier.ts'

/** An issuer whose word counts, and for whom. */
export interface TrustedIssuer {
  /** Letter by letter. */
  issuer: string
  jwks?: JsonWebKeySet | undefined
  jwksUri?: string | undefined
  /** Fetches `jwksUri`. @defaultValue the platform's */
  fetch?: FetchKeys | undefined
  /** @defaultValue `['ES256']` */
  algorithms?: readonly JwtAlgorithm[] | undefined
  /** What `typ` of its tokens may say, where it says something. @defaultValue `['jwt', 'authorization-grant+jwt']` */
  types?: readonly string[] | undefined
  /** What the issuer calls us. @defaultValue our own issuer */
  audience?: string | undefined
  /** The name of the principal that a token stands for; `undefined` refuses it. There is no other way in. */
  principalOf: (claims: JwtClaims) => string | undefined
  /** Whether one token may be exchanged more than once before it ends. @defaultValue false */
  reusable?: boolean | undefined
}

/** The issuers of a service, by name. */
export class TrustedIssuers {
  readonly #issuers: ReadonlyMap<string, TrustedIssuer>
  readonly #clock: Clock
  readonly #verifiers = new Map<string, JwtVerifier>()

  /** @throws {@link AuthError} `option-invalid`, `jwks-invalid`; {@link CoreError} `option-unknown` */
  constructor(issuers: readonly TrustedIssuer[], clock: Clock) {
    for (const each of issuers) checkOptions(each, KNOWN, 'createAuth: tokens.trustedIssuers')
    this.#issuers = new Map(issuers.map((each) => [each.issuer, each]))
    this.#clock = clock
    if (this.#issuers.size !== issuers.length) {
      throw new AuthError(
        'option-invalid',
        'createAuth: tokens.trustedIssuers has one issuer twice',
      )
    }
    // What is wrong with one shows at the start, not at the first token.
    for (const each of issuers) this.#make(each, 'https://start.invalid')
  }

  /** The issuer of this name with what verifies its tokens. */
  find(
    name: string,
    ourselves: string,
  ): { issuer: TrustedIssuer; verifier: JwtVerifier } | undefined {
    const issuer = this.#issuers.get(name)
    if (issuer === undefined) return undefined
    const key = `${ourselves.length}:${ourselves}:${name}`
    const verifier = this.#verifiers.get(key) ?? this.#make(issuer, ourselves)
    this.#verifiers.set(key, verifier)
    return { issuer, verifier }
  }

  #make(trusted: TrustedIssuer, ourselves: string): JwtVerifier {
    const { issuer, jwks, jwksUri, fetch, algorithms, audience = ourselves, types } = trusted
    return createJwtVerifier({
      issuer,
      audience,
      jwks,
      jwksUri,
      fetch,
      algorithms,
      types: types ?? ['jwt', 'authorization-grant+jwt'],
      typeOptional: true,
      requiredClaims: ['sub'],
      cacheMs: 0,
      clock: this.#clock,
    })
  }
}

const KNOWN = [
  'issuer',
  'jwks',
  'jwksUri',
  'fetch',
  'algorithms',
  'types',
  'audience',
  'principalOf',
  'reusable',
] as const satisfies readonly (keyof TrustedIssuer)[]
