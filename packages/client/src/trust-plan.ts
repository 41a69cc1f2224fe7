/**
 * What a call or a session says about trust, as one checked value, and how a call's word stands over its session's.
 *
 * Nothing is read here; `trust.ts` turns a plan into a TLS context.
 *
 * @module
 */
import {
  type CaSources,
  type CertificateSource,
  type CrlSource,
  type KeySource,
  LiveValue,
  TlsContext,
  TrustStore,
} from '@countersign/tls'
import { Certificate, PrivateKey } from '@countersign/x509'
import { checkSources } from './ca-sources.ts'
import { OptionError } from './errors.ts'
import { type Pins, readPins } from './pins.ts'
import {
  overlayRevocation,
  type Revocation,
  type RevocationPlan,
  revocationPlan,
} from './revocation-plan.ts'

/**
 * Whom to believe: `true` as the session or the environment says; `false` nobody is checked, loudly; a path (a file or a
 * folder), a store or a context: only that. Of what `watchTrust` and `watchContext` give, always the current one.
 */
export type Verify =
  | boolean
  | string
  | TrustStore
  | TlsContext
  | LiveValue<TrustStore>
  | LiveValue<TlsContext>

/** The options of trust and identity. Code beats environment, always. */
export interface TrustOptions {
  /** @defaultValue true */
  verify?: Verify | undefined
  /** Trust only these: a path, PEM text, DER bytes, a certificate, a store, or several. @defaultValue what the environment names, else the system's and Node's roots */
  ca?: CaSources | undefined
  /** Trust these too. @defaultValue none */
  extraCa?: CaSources | undefined
  /** The certificate to show to a server that asks, with its chain: a path, PEM text or DER bytes. @defaultValue none */
  cert?: CertificateSource | undefined
  /** Its key. @defaultValue the key block in `cert` */
  key?: KeySource | undefined
  /** Opens an encrypted key. @defaultValue none */
  passphrase?: string | undefined
  /**
   * `sha256:` and the digest of the server's certificate or of its key; several where it may have several. Beside a named
   * authority (or `verify: true`) it narrows that; on its own it stands instead of chain and name, and the dates still count.
   * @defaultValue none
   */
  pin?: string | readonly string[] | undefined
  /** Revocation lists: paths of files or of folders of `*.crl`, PEM text, DER bytes. @defaultValue none */
  crl?: CrlSource | readonly CrlSource[] | undefined
  /**
   * Whether revoked certificates are refused. @defaultValue every level, of chains whose authorities' lists are in `crl`
   * or are to be fetched; below a data folder given as `ca` the lists that certificates point to; other chains are not looked at
   */
  revocation?: Revocation | undefined
}

/** What one level says about trust; absent is "nothing said". */
export interface TrustPlan {
  /** `false` for `verify: false`, `true` where verification was asked for. */
  readonly verified: boolean | undefined
  readonly context: TlsContext | undefined
  readonly only: { readonly sources: CaSources; readonly option: 'ca' | 'verify' } | undefined
  /** Where `context` or `only` is to be had anew, for it changes. */
  readonly live: (() => TrustStore | TlsContext) | undefined
  readonly extra: readonly CaSources[]
  readonly identity: IdentityPlan | undefined
  readonly pins: Pins | undefined
  readonly revocation: RevocationPlan | undefined
}

/** Where our own certificate comes from. */
export interface IdentityPlan {
  readonly cert: CertificateSource | undefined
  readonly key: KeySource | undefined
  readonly passphrase: string | undefined
}

/** The plan as it is with another store or context in its place. */
export function withCurrent(plan: TrustPlan, current: TrustStore | TlsContext): TrustPlan {
  return current instanceof TlsContext
    ? { ...plan, live: undefined, context: current }
    : { ...plan, live: undefined, only: { sources: current, option: 'verify' } }
}

/** The plan that says nothing. */
export const NO_PLAN: TrustPlan = {
  verified: undefined,
  context: undefined,
  only: undefined,
  live: undefined,
  extra: [],
  identity: undefined,
  pins: undefined,
  revocation: undefined,
}

/**
 * Checks what was given.
 *
 * @throws {@link OptionError} `option-invalid` for a wrong type, `option-conflict` for words that contradict each other
 */
export function trustPlan(options: TrustOptions): TrustPlan {
  if (TRUST_OPTIONS.every((name) => options[name] === undefined)) return NO_PLAN
  const { verify, ca, extraCa, cert, key, passphrase, pin } = options
  checkSources(ca, 'ca')
  checkSources(extraCa, 'extraCa')
  checkIdentity(options)
  const identity = cert === undefined && key === undefined ? undefined : { cert, key, passphrase }
  const plan: TrustPlan = {
    ...NO_PLAN,
    only: ca === undefined ? undefined : { sources: ca, option: 'ca' },
    extra: extraCa === undefined ? [] : [extraCa],
    identity,
    pins: readPins(pin),
    revocation: revocationPlan(options),
  }
  if (verify === undefined || verify === true) {
    return { ...plan, verified: verify }
  }
  if (verify === false) {
    const { crl, revocation } = options
    refuseBeside('verify: false', { ca, extraCa, pin, crl, revocation })
    return { ...plan, verified: false }
  }
  if (verify instanceof LiveValue) {
    const now = trustPlan({ ...options, verify: verify.current })
    return { ...now, live: () => verify.current }
  }
  if (verify instanceof TlsContext) {
    refuseBeside('a TLS context as verify', { ca, extraCa, cert, key })
    if (verify.purpose !== 'server-auth') {
      throw new OptionError('option-invalid', 'verify is the TLS context of a server', {
        hint: "make one for clients: createDefaultContext({ ca: '/path/to/roots.pem' })",
      })
    }
    return { ...plan, verified: true, context: verify }
  }
  if (verify instanceof TrustStore || (typeof verify === 'string' && verify !== '')) {
    refuseBeside('verify', { ca })
    return { ...plan, verified: true, only: { sources: verify, option: 'verify' } }
  }
  throw new OptionError(
    'option-invalid',
    'verify must be true, false, a path, a TrustStore or a TlsContext, or what watches one',
    { hint: "to trust one file only: verify: '/path/to/roots.pem'" },
  )
}

/**
 * One plan over another (a call's over its session's, a session's over an origin's profile): what the upper one says holds,
 * and what it does not say is the lower one's.
 *
 * @throws {@link OptionError} `option-conflict` where the upper one adds to a context that is already built
 */
export function overlay(upper: TrustPlan, lower: TrustPlan): TrustPlan {
  if (upper === NO_PLAN) return lower
  if (lower === NO_PLAN) return upper
  const pins = upper.pins ?? lower.pins
  const revocation = overlayRevocation(upper.revocation, lower.revocation)
  if (upper.context !== undefined) return { ...upper, pins, revocation }
  const replaced = upper.only !== undefined
  const context = replaced ? undefined : lower.context
  if (context !== undefined && (upper.extra.length > 0 || upper.identity !== undefined)) {
    throw new OptionError(
      'option-conflict',
      'extraCa, cert and key cannot be added to a TLS context that is built already',
      { hint: 'make another context with createDefaultContext(), or pass ca as well' },
    )
  }
  // Who names certificates wants them looked at.
  const names =
    replaced || upper.extra.length > 0 || upper.pins !== undefined || upper.revocation !== undefined
  const identity = upper.identity ?? lower.identity
  // Who gives up verification gives up all of it.
  if (upper.verified === false) return { ...upper, context, live: context && lower.live, identity }
  return {
    verified: upper.verified ?? (lower.verified === false && names ? undefined : lower.verified),
    context,
    only: upper.only ?? lower.only,
    live: replaced ? upper.live : lower.live,
    // "Only these" does not mean what the lower one adds.
    extra: replaced ? upper.extra : [...lower.extra, ...upper.extra],
    identity,
    pins,
    revocation,
  }
}

/** Whether pins stand instead of a chain: nobody named an authority, nor asked for the default ones with `verify: true`. */
export function isPinnedAlone(plan: TrustPlan): boolean {
  return (
    plan.pins !== undefined &&
    plan.verified !== true &&
    plan.only === undefined &&
    plan.extra.length === 0 &&
    plan.context === undefined
  )
}

function refuseBeside(what: string, others: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(others)) {
    if (value === undefined) continue
    throw new OptionError('option-conflict', `${what} and ${name} contradict each other`, {
      hint: 'leave one of them out',
    })
  }
}

function checkIdentity({ cert, key, passphrase }: TrustOptions): void {
  const isCert =
    cert === undefined ||
    typeof cert === 'string' ||
    cert instanceof Uint8Array ||
    cert instanceof Certificate ||
    (Array.isArray(cert) && cert.every((one) => one instanceof Certificate))
  if (!isCert) {
    throw new OptionError('option-invalid', 'cert must be a path, PEM text or DER bytes')
  }
  const isKey =
    key === undefined ||
    typeof key === 'string' ||
    key instanceof Uint8Array ||
    key instanceof PrivateKey
  if (!isKey) throw new OptionError('option-invalid', 'key must be a path, PEM text or DER bytes')
  if (passphrase !== undefined && typeof passphrase !== 'string') {
    throw new OptionError('option-invalid', 'passphrase must be a string')
  }
  if (passphrase !== undefined && cert === undefined && key === undefined) {
    throw new OptionError('option-conflict', 'passphrase is given without cert and key')
  }
}

const TRUST_OPTIONS = [
  'verify',
  'ca',
  'extraCa',
  'cert',
  'key',
  'passphrase',
  'pin',
  'crl',
  'revocation',
] as const satisfies readonly (keyof TrustOptions)[]
