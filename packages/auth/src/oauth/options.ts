/**
 * What a service decides about its tokens, checked once.
 *
 * @module
 */
import { checkOptions } from '@countersign/core'
import { AuthError } from '../errors.ts'
import { ISSUING_ALGORITHMS, type IssuingAlgorithm } from '../jwt/signing-key.ts'
import type { TrustedIssuer } from './trusted-issuers.ts'

/** How a service makes tokens. */
export interface TokenOptions {
  /** What tokens are signed with; a change takes effect with the next key, an hour after it was published. @defaultValue `'ES256'` */
  algorithm?: IssuingAlgorithm | undefined
  /** Seconds an access token lives, at most 600. @defaultValue 300 */
  accessTokenSeconds?: number | undefined
  /** Days that refresh tokens are good for in all, at most 30. @defaultValue 30 */
  refreshTokenDays?: number | undefined
  /** Days a key signs before the next one does. @defaultValue 30 */
  rotationDays?: number | undefined
  /** Whom tokens are made for, beside this service. @defaultValue nobody */
  audiences?: readonly string[] | undefined
  /** Takes an API token of the client as its secret. @defaultValue false */
  clientSecrets?: boolean | undefined
  /** Asks for a value of ours in every proof of possession (RFC 9449 §8). @defaultValue false */
  dpopNonces?: boolean | undefined
  /** Makes only tokens that are bound to a certificate or key of whoever asks. @defaultValue false */
  boundOnly?: boolean | undefined
  /** Issuers whose tokens are exchanged for ours. @defaultValue none */
  trustedIssuers?: readonly TrustedIssuer[] | undefined
}

/** The options without gaps. */
export interface TokenSettings {
  algorithm: IssuingAlgorithm
  accessTokenSeconds: number
  refreshTokenMs: number
  rotationMs: number
  audiences: readonly string[]
  clientSecrets: boolean
  dpopNonces: boolean
  boundOnly: boolean
  trustedIssuers: readonly TrustedIssuer[]
}

/**
 * Checks the options.
 *
 * @throws {@link AuthError} `option-invalid`; {@link CoreError} `option-unknown`
 */
export function readTokenOptions(options: TokenOptions): TokenSettings {
  checkOptions(options, KNOWN, 'createAuth: tokens')
  const algorithm = options.algorithm ?? 'ES256'
  if (!ISSUING_ALGORITHMS.includes(algorithm)) {
    throw invalid('algorithm', `must be ${ISSUING_ALGORITHMS.join(' or ')}`)
  }
  const audiences = options.audiences ?? []
  if (audiences.some((each) => typeof each !== 'string' || each === '')) {
    throw invalid('audiences', 'must be texts')
  }
  return {
    algorithm,
    accessTokenSeconds: within('accessTokenSeconds', options.accessTokenSeconds ?? 300, 30, 600),
    refreshTokenMs: within('refreshTokenDays', options.refreshTokenDays ?? 30, 1, 30) * DAY_MS,
    rotationMs: within('rotationDays', options.rotationDays ?? 30, 1, 365) * DAY_MS,
    audiences,
    clientSecrets: options.clientSecrets ?? false,
    dpopNonces: options.dpopNonces ?? false,
    boundOnly: options.boundOnly ?? false,
    trustedIssuers: options.trustedIssuers ?? [],
  }
}

/**
 * Checks who we are: an https origin, because every address of ours is below it.
 *
 * @throws {@link AuthError} `option-invalid`
 */
export function checkIssuer(issuer: string): string {
  if (URL.canParse(issuer)) {
    const { origin, protocol } = new URL(issuer)
    if (protocol === 'https:' && origin === issuer) return issuer
  }
  throw new AuthError('option-invalid', 'createAuth: issuer must be an https origin', {
    hint: "as in issuer: 'https://service.internal:8443', without a path or a slash behind it",
  })
}

function within(option: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw invalid(option, `must be a whole number from ${least} to ${most}`)
}

function invalid(option: string, fault: string): AuthError {
  return new AuthError('option-invalid', `createAuth: tokens.${option} ${fault}`)
}

const DAY_MS = 86_400_000

const KNOWN = [
  'algorithm',
  'accessTokenSeconds',
  'refreshTokenDays',
  'rotationDays',
  'audiences',
  'clientSecrets',
  'dpopNonces',
  'boundOnly',
  'trustedIssuers',
] as const satisfies readonly (keyof TokenOptions)[]
