/**
 * What a service decides about its sign-in, checked once and turned into a value without gaps.
 *
 * @module
 */
import { type Clock, checkOptions, systemClock } from '@countersign/core'
import type { Store } from '@countersign/store'
import { AuthError } from './errors.ts'
import type { OnAuthEvent } from './events.ts'
import type { HashGateOptions } from './hash-gate.ts'
import {
  type CertificateAuthority,
  readCertificateAuthority,
} from './factors/certificate-authority.ts'
import { type ClientCertFrom, readClientCertFrom } from './factors/proxied-certificates.ts'
import { type CertificateRule, readCertificateRules } from './factors/certificate-rules.ts'
import { isLoopbackHost } from './peer.ts'
import { MIN_LENGTH_BOUNDS, type PasswordRules } from './password-rules.ts'
import { type Argon2Cost, checkCost, DEFAULT_COST } from './phc.ts'
import type { Issuer } from './oauth/oauth.ts'
import { readTokenOptions, type TokenOptions, type TokenSettings } from './oauth/options.ts'
import type { SecondFactorPolicy } from './second-factor-policy.ts'
import type { KeyOptions } from './secret-box.ts'
import { DEFAULT_TERMS, type SessionLife, type SessionTerms } from './session-types.ts'
import { DEFAULT_LIMITS, type ThrottleLimits } from './throttle.ts'

/** How passwords are hashed. */
export interface HashingOptions extends HashGateOptions {
  /** Memory in KiB. @defaultValue 19456 */
  memoryKib?: number | undefined
  /** @defaultValue 2 */
  passes?: number | undefined
  /** @defaultValue 1 */
  lanes?: number | undefined
}

/** Hands a code over; what it throws is told to `onEvent`. */
export type SendResetCode = (
  user: { id: string; name: string },
  code: string,
) => void | Promise<void>

/** How {@link createAuth} works. */
export interface AuthOptions {
  /** Where users and sessions are kept. Stays the caller's to close. */
  store: Store
  /** @defaultValue the machine's clock */
  clock?: Clock | undefined
  /** Realm of challenges and part of the cookie's name: lower-case letters, digits, dashes. @defaultValue `'countersign'` */
  serviceName?: string | undefined
  /** The cookie's name; over HTTPS `__Host-` is put before it. Cookies are shared by all ports of a host. @defaultValue `<serviceName>-sid` */
  cookieName?: string | undefined
  /** Whether the cookie comes along when a link on another site leads here. @defaultValue `'Lax'` */
  sameSite?: 'Lax' | 'Strict' | undefined
  /** The address that will be bound; what is for this machine only refuses anything but loopback. */
  host?: string | undefined
  /** Takes credentials over plain HTTP from this machine itself. @defaultValue false */
  allowPlainLoopback?: boolean | undefined
  /** `'lesson'` tells an unknown name from a wrong password, and offers `GET /get-info`; loopback only. @defaultValue `'uniform'` */
  loginErrors?: 'uniform' | 'lesson' | undefined
  /** The lesson's three cookies in place of ours; loopback only. @defaultValue false */
  lessonCookies?: boolean | undefined
  /** What new passwords must be; the lesson takes any. */
  passwords?: PasswordRules | undefined
  hashing?: HashingOptions | undefined
  throttle?: ThrottleLimits | undefined
  session?: SessionLife | undefined
  /** Who gets nothing without a second factor, but the chance to add one. Needs `keys`. @defaultValue nobody */
  requireSecondFactor?: SecondFactorPolicy | undefined
  /** Where the keys live under which secrets are stored; without one nothing is stored that would need one. */
  keys?: KeyOptions | undefined
  /** Who we are to clients that get tokens: an https origin, or what answers it once it is known. @defaultValue none, and no tokens */
  issuer?: Issuer | undefined
  /** How tokens are made. */
  tokens?: TokenOptions | undefined
  /** Whom certificates without a row of their own stand for, by their names. @defaultValue nobody */
  certificateRules?: readonly CertificateRule[] | undefined
  /** Who certifies the keys of users at `POST /auth/factors`, and revokes what ends here. @defaultValue nobody: 501 */
  certificateAuthority?: CertificateAuthority | undefined
  /** The proxies whose word about their clients' certificates counts (`Client-Cert`, RFC 9440). @defaultValue nobody's */
  clientCertFrom?: ClientCertFrom | undefined
  /** Whether what happens is written to the audit log in the store. @defaultValue true */
  audit?: boolean | undefined
  /** Hands the one-time code of a reset to its user, by whatever means a service has. @defaultValue an administrator does that */
  sendResetCode?: SendResetCode | undefined
  /** Is told the true reason of everything. */
  onEvent?: OnAuthEvent | undefined
}

/** The options without gaps. */
export interface AuthSettings {
  store: Store
  clock: Clock
  serviceName: string
  cookies: { secure: string; plain: string }
  sameSite: 'Lax' | 'Strict'
  allowPlainLoopback: boolean
  lessonErrors: boolean
  lessonCookies: boolean
  passwords: {
    minLength: number
    contextWords: readonly string[]
    isListed: PasswordRules['isListed']
    enforced: boolean
  }
  cost: Argon2Cost
  gate: HashGateOptions
  limits: typeof DEFAULT_LIMITS
  terms: SessionTerms
  requireSecondFactor: SecondFactorPolicy | undefined
  keys: KeyOptions | undefined
  issuer: Issuer | undefined
  tokens: TokenSettings
  certificateRules: readonly CertificateRule[]
  certificateAuthority: CertificateAuthority | undefined
  clientCertFrom: ClientCertFrom | undefined
  audit: boolean
  sendResetCode: SendResetCode | undefined
  onEvent: OnAuthEvent
}

/**
 * Checks the options.
 *
 * @throws {@link AuthError} `option-invalid`, `lesson-off-loopback`; {@link CoreError} `option-unknown`
 */
export function readOptions(options: AuthOptions): AuthSettings {
  checkOptions(options, KNOWN, 'createAuth')
  const serviceName = options.serviceName ?? 'countersign'
  if (!/^[a-z][a-z0-9-]{0,31}$/.test(serviceName)) {
    throw invalid('serviceName', 'must be 1 to 32 lower-case letters, digits and dashes')
  }
  const plain = options.cookieName ?? `${serviceName}-sid`
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(plain)) {
    throw invalid('cookieName', 'must be 1 to 64 letters, digits, dashes and underscores')
  }
  const lessonErrors = oneOf('loginErrors', options.loginErrors, ['uniform', 'lesson']) === 'lesson'
  const lessonCookies = options.lessonCookies ?? false
  const allowPlainLoopback = options.allowPlainLoopback ?? false
  refuseOffLoopback(options.host, { lesson: lessonErrors || lessonCookies, allowPlainLoopback })
  if ((lessonErrors || lessonCookies) && options.clientCertFrom?.addressFrom !== undefined) {
    throw invalid('clientCertFrom', 'has no addressFrom in the lesson, which is for this machine')
  }
  return {
    store: options.store,
    clock: options.clock ?? systemClock,
    serviceName,
    cookies: { secure: `__Host-${plain}`, plain },
    sameSite: oneOf('sameSite', options.sameSite, ['Lax', 'Strict']),
    allowPlainLoopback,
    lessonErrors,
    lessonCookies,
    passwords: {
      ...readRules(options.passwords ?? {}, serviceName),
      enforced: !lessonErrors && !lessonCookies,
    },
    ...readHashing(options.hashing ?? {}),
    limits: readNumbers('throttle', options.throttle ?? {}, DEFAULT_LIMITS),
    terms: readTerms(options.session ?? {}),
    requireSecondFactor: readSecondFactor(options),
    keys: readKeys(options.keys),
    issuer: options.issuer,
    tokens: readTokenOptions(options.tokens ?? {}),
    certificateRules: readCertificateRules(options.certificateRules ?? []),
    certificateAuthority: readCertificateAuthority(options.certificateAuthority),
    clientCertFrom: readClientCertFrom(options.clientCertFrom),
    audit: options.audit ?? true,
    sendResetCode: options.sendResetCode,
    onEvent: options.onEvent ?? (() => {}),
  }
}

function refuseOffLoopback(
  host: string | undefined,
  asked: { lesson: boolean; allowPlainLoopback: boolean },
): void {
  if (asked.lesson && (host === undefined || !isLoopbackHost(host))) {
    throw new AuthError(
      'lesson-off-loopback',
      `the lesson's answers and cookies are for this machine only, not for ${host ?? 'an unknown address'}`,
      {
        hint: "bind 127.0.0.1 and say so: host: '127.0.0.1'; or leave loginErrors and lessonCookies out",
      },
    )
  }
  if (asked.allowPlainLoopback && host !== undefined && !isLoopbackHost(host)) {
    throw invalid('allowPlainLoopback', `is for this machine only, not for ${host}`)
  }
}

function readRules(
  rules: PasswordRules,
  serviceName: string,
): Omit<AuthSettings['passwords'], 'enforced'> {
  checkOptions(rules, ['minLength', 'contextWords', 'isListed'], 'createAuth: passwords')
  const { lowest, highest, usual } = MIN_LENGTH_BOUNDS
  const minLength = rules.minLength ?? usual
  if (!Number.isInteger(minLength) || minLength < lowest || minLength > highest) {
    throw invalid('passwords.minLength', `must be a whole number from ${lowest} to ${highest}`)
  }
  const { contextWords = [], isListed } = rules
  if (isListed !== undefined && typeof isListed !== 'function') {
    throw invalid('passwords.isListed', 'must be a function')
  }
  return { minLength, contextWords: [serviceName, ...contextWords], isListed }
}

function readHashing(hashing: HashingOptions): { cost: Argon2Cost; gate: HashGateOptions } {
  const known = ['memoryKib', 'passes', 'lanes', 'permits', 'queue']
  checkOptions(hashing, known, 'createAuth: hashing')
  const cost = {
    memoryKib: hashing.memoryKib ?? DEFAULT_COST.memoryKib,
    passes: hashing.passes ?? DEFAULT_COST.passes,
    lanes: hashing.lanes ?? DEFAULT_COST.lanes,
  }
  checkCost(cost)
  const { permits, queue } = hashing
  if (permits !== undefined) requireCount('hashing.permits', permits)
  if (queue !== undefined && queue !== 0) requireCount('hashing.queue', queue)
  return { cost, gate: { permits, queue } }
}

function readTerms(given: SessionLife): SessionTerms {
  checkOptions(given, Object.keys(DEFAULT_TERMS), 'createAuth: session')
  const { bindCertificate, ...numbers } = given
  const { bindCertificate: _, ...defaults } = DEFAULT_TERMS
  const read = readNumbers('session', numbers, defaults)
  if (read.idleMs > read.absoluteMs) {
    throw invalid('session.idleMs', 'must not be longer than session.absoluteMs')
  }
  if (read.rememberIdleMs > read.rememberAbsoluteMs) {
    throw invalid('session.rememberIdleMs', 'must not be longer than session.rememberAbsoluteMs')
  }
  return { ...read, bindCertificate: bindCertificate ?? false }
}

function readSecondFactor({
  keys,
  lessonCookies,
  loginErrors,
  requireSecondFactor: who,
}: AuthOptions): SecondFactorPolicy | undefined {
  if (who === undefined) return undefined
  if (who !== 'admins' && who !== 'everybody') {
    throw invalid('requireSecondFactor', "must be 'admins' or 'everybody'")
  }
  if (lessonCookies === true || loginErrors === 'lesson') {
    throw invalid('requireSecondFactor', 'does not go with the lesson, which has no factors')
  }
  if (keys !== undefined) return who
  throw new AuthError('keys-required', 'a second factor is kept under keys that have to be kept', {
    hint: "say where they live: createAuth({ keys: { path: 'auth.keys' } })",
  })
}

function readKeys(keys: KeyOptions | undefined): KeyOptions | undefined {
  if (keys === undefined) return undefined
  checkOptions(keys, ['path'], 'createAuth: keys')
  if (typeof keys.path !== 'string' || keys.path === '') {
    throw invalid('keys.path', 'must be the path of a file')
  }
  return { path: keys.path }
}

function readNumbers<Key extends string>(
  where: string,
  given: { readonly [K in Key]?: number | undefined },
  defaults: Readonly<Record<Key, number>>,
): Record<Key, number> {
  checkOptions(given, Object.keys(defaults), `createAuth: ${where}`)
  const read: Record<Key, number> = { ...defaults }
  for (const key in defaults) {
    const value = given[key]
    if (value === undefined) continue
    requireCount(`${where}.${key}`, value)
    read[key] = value
  }
  return read
}

function requireCount(option: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 1) return
  throw invalid(option, 'must be a whole number, at least 1')
}

function oneOf<const Value extends string>(
  option: string,
  value: Value | undefined,
  values: readonly [Value, ...Value[]],
): Value {
  const [first] = values
  if (value === undefined) return first
  if (values.includes(value)) return value
  throw invalid(option, `must be ${values.map((each) => `'${each}'`).join(' or ')}`)
}

function invalid(option: string, fault: string): AuthError {
  return new AuthError('option-invalid', `createAuth: ${option} ${fault}`)
}

const KNOWN = [
  'store',
  'clock',
  'serviceName',
  'cookieName',
  'sameSite',
  'host',
  'allowPlainLoopback',
  'loginErrors',
  'lessonCookies',
  'passwords',
  'hashing',
  'throttle',
  'session',
  'requireSecondFactor',
  'keys',
  'issuer',
  'tokens',
  'certificateRules',
  'certificateAuthority',
  'clientCertFrom',
  'audit',
  'sendResetCode',
  'onEvent',
] as const satisfies readonly (keyof AuthOptions)[]
