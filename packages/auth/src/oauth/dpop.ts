/**
 * Proofs of possession: a request signed by the key that its token is bound to (RFC 9449).
 *
 * @module
 */
import { hash } from 'node:crypto'
import type { Clock } from '@countersign/core'
import { AuthError } from '../errors.ts'
import type { JwtAlgorithm } from '../jwt/algorithms.ts'
import { isNumericDate } from '../jwt/claims.ts'
import { readCompact } from '../jwt/compact.ts'
import { isJsonObject, type JsonObject } from '../jwt/json-object.ts'
import { jwkThumbprint } from '../jwt/thumbprint.ts'
import { VerificationKey } from '../jwt/verification-key.ts'
import type { SecretBox } from '../secret-box.ts'
import type { OneTime } from './one-time.ts'

/** Why a proof is none. */
export type DpopFault =
  | 'dpop-missing'
  | 'dpop-malformed'
  | 'dpop-type'
  | 'dpop-algorithm'
  | 'dpop-key'
  | 'dpop-signature'
  | 'dpop-method'
  | 'dpop-address'
  | 'dpop-time'
  | 'dpop-token'
  | 'dpop-nonce'
  | 'dpop-replayed'

/** What a proof has to fit. */
export interface DpopRequest {
  method: string
  /** The address as the client sees it; query and fragment do not count. */
  url: string
  /** The access token that comes along; at the token endpoint there is none. */
  accessToken?: string | undefined
}

/** What {@link DpopProofs} is made of. */
export interface DpopParts {
  clock: Clock
  oneTime: OneTime
  box: SecretBox
  /** Whether proofs have to carry a value that we gave out within the last minutes. */
  nonces: boolean
}

/** Checks proofs. */
export class DpopProofs {
  readonly #parts: DpopParts

  constructor(parts: DpopParts) {
    this.#parts = parts
  }

  /**
   * Checks the proof of a request and uses it up.
   *
   * @param proof - the `DPoP` header
   * @returns the thumbprint of the key that signed it, or why it is no proof
   */
  async check(proof: string | null, request: DpopRequest): Promise<{ jkt: string } | DpopFault> {
    if (proof === null) return 'dpop-missing'
    const parts = readCompact(proof)
    if ('ok' in parts) return 'dpop-malformed'
    const { header, claims } = parts
    if (header['typ'] !== 'dpop+jwt') return 'dpop-type'
    if ('crit' in header || 'b64' in header) return 'dpop-malformed'
    const key = keyOf(header)
    if (typeof key === 'string') return key
    if (!key.verify(parts.signed, parts.signature)) return 'dpop-signature'
    const jkt = jwkThumbprint(isJsonObject(header['jwk']) ? header['jwk'] : {})
    if (jkt === undefined) return 'dpop-key'
    const fault = this.#checkClaims(claims, request)
    if (fault !== undefined) return fault
    const { jti, iat } = claims
    if (typeof jti !== 'string' || jti === '' || jti.length > 256) return 'dpop-malformed'
    // Last, so that only its own signer can use an identifier up.
    const until = (Number(iat) + 2 * WINDOW_SECONDS) * 1000
    return (await this.#parts.oneTime.use('dpop', jkt, jti, until)) ? { jkt } : 'dpop-replayed'
  }

  /** The value that proofs have to carry from now on; `undefined` where none is asked for. */
  nonce(): string | undefined {
    return this.#parts.nonces ? this.#nonceOf(this.#window()) : undefined
  }

  #checkClaims(claims: JsonObject, request: DpopRequest): DpopFault | undefined {
    const { htm, htu, iat, ath, nonce } = claims
    if (htm !== request.method) return 'dpop-method'
    if (typeof htu !== 'string' || htu.length > 2048) return 'dpop-address'
    const address = normalise(htu)
    if (address === undefined || address !== normalise(request.url)) return 'dpop-address'
    const now = this.#parts.clock().getTime() / 1000
    if (!isNumericDate(iat) || Math.abs(now - iat) > WINDOW_SECONDS) return 'dpop-time'
    const { accessToken } = request
    if (accessToken !== undefined && ath !== hash('sha256', accessToken, 'base64url')) {
      return 'dpop-token'
    }
    if (!this.#parts.nonces) return undefined
    const window = this.#window()
    const isOurs = nonce === this.#nonceOf(window) || nonce === this.#nonceOf(window - 1)
    return isOurs ? undefined : 'dpop-nonce'
  }

  #window(): number {
    return Math.floor(this.#parts.clock().getTime() / NONCE_MS)
  }

  /** Computed, not stored: every process that shares the key knows it. */
  #nonceOf(window: number): string {
    return this.#parts.box.mac('dpop-nonce', String(window)) ?? ''
  }
}

/** The key in the header (RFC 9449 §4.2): public, and for one algorithm that is not a secret's. */
function keyOf(header: JsonObject): VerificationKey | DpopFault {
  const { alg, jwk } = header
  const algorithm = DPOP_ALGORITHMS.find((name) => name === alg)
  if (algorithm === undefined) return 'dpop-algorithm'
  if (!isJsonObject(jwk)) return 'dpop-key'
  try {
    return VerificationKey.fromJwk(jwk, [algorithm])
  } catch (error) {
    if (error instanceof AuthError) return 'dpop-key'
    throw error
  }
}

/** An address without query and fragment, in the form of RFC 3986 §6.2.2 and §6.2.3. */
function normalise(address: string): string | undefined {
  if (!URL.canParse(address)) return undefined
  const { protocol, host, pathname, username, password } = new URL(address)
  if (username !== '' || password !== '') return undefined
  const path = pathname.replaceAll(/%[0-9a-f]{2}/gi, (code) => {
    const character = String.fromCharCode(Number.parseInt(code.slice(1), 16))
    return /[A-Za-z0-9._~-]/.test(character) ? character : code.toUpperCase()
  })
  return `${protocol}//${host}${path}`
}

/** What proofs may be signed with. */
export const DPOP_ALGORITHMS: readonly JwtAlgorithm[] = [
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
  'PS256',
  'ML-DSA-65',
]
/** Seconds by which the time of a proof may differ from ours. */
const WINDOW_SECONDS = 60
const NONCE_MS = 300_000
