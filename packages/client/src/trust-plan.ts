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
  type KeySource,
  TlsContext,
  TrustStore,
} from '@countersign/tls'
import { Certificate, PrivateKey } from '@countersign/x509'
import { OptionError } from './errors.ts'

/**
 * Whom to believe: `true` as the session or the environment says; `false` nobody is checked, loudly; a path (a file or a
 * folder), a store or a context: only that.
 */
export type Verify = boolean | string | TrustStore | TlsContext

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
}

/** What one level says about trust; absent is "nothing said". */
export interface TrustPlan {
  /** `false` for `verify: false`, `true` where verification was asked for. */
  readonly verified: boolean | undefined
  readonly context: TlsContext | undefined
  readonly only: { readonly sources: CaSources; readonly option: 'ca' | 'verify' } | undefined
  readonly extra: readonly CaSources[]
  readonly identity: IdentityPlan | undefined
}

/** Where our own certificate comes from. */
export interface IdentityPlan {
  readonly cert: CertificateSource | undefined
  readonly key: KeySource | undefined
  readonly passphrase: string | undefined
}

/** The plan that says nothing. */
export const NO_PLAN: TrustPlan = {
  verified: undefined,
  context: undefined,
  only: undefined,
  extra: [],
  identity: undefined,
}

/**
 * Checks what was given.
 *
 * @throws {@link OptionError} `option-invalid` for a wrong type, `option-conflict` for words that contradict each other
 */
export function trustPlan(options: TrustOptions): TrustPlan {
  const { verify, ca, extraCa, cert, key, passphrase } = options
  if (
    verify === undefined &&
    ca === undefined &&
    extraCa === undefined &&
    cert === undefined &&
    key === undefined &&
    passphrase === undefined
  ) {
    return NO_PLAN
  }
  checkSources(ca, 'ca')
  checkSources(extraCa, 'extraCa')
  checkIdentity(options)
  const identity = cert === undefined && key === undefined ? undefined : { cert, key, passphrase }
  const plan: TrustPlan = {
    ...NO_PLAN,
    only: ca === undefined ? undefined : { sources: ca, option: 'ca' },
    extra: extraCa === undefined ? [] : [extraCa],
    identity,
  }
  if (verify === undefined || verify === true) {
    return { ...plan, verified: verify }
  }
  if (verify === false) {
    refuseBeside('verify: false', { ca, extraCa })
    return { ...plan, verified: false }
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
    'verify must be true, false, a path, a TrustStore or a TlsContext',
    { hint: "to trust one file only: verify: '/path/to/roots.pem'" },
  )
}

/**
 * The call's plan over the session's: what the call says holds, and what it does not say is the session's.
 *
 * @throws {@link OptionError} `option-conflict` where the call adds to a context that is already built
 */
export function overlay(call: TrustPlan, session: TrustPlan): TrustPlan {
  if (call === NO_PLAN) return session
  if (session === NO_PLAN) return call
  if (call.context !== undefined) return call
  const replaced = call.only !== undefined
  const context = replaced ? undefined : session.context
  if (context !== undefined && (call.extra.length > 0 || call.identity !== undefined)) {
    throw new OptionError(
      'option-conflict',
      'extraCa, cert and key cannot be added to the TLS context of the session',
      { hint: 'make another context with createDefaultContext(), or pass ca as well' },
    )
  }
  return {
    // Who names certificates wants them looked at.
    verified: call.verified ?? (replaced || call.extra.length > 0 ? true : session.verified),
    context,
    only: call.only ?? session.only,
    // "Only these" does not mean what a session adds.
    extra: replaced ? call.extra : [...session.extra, ...call.extra],
    identity: call.identity ?? session.identity,
  }
}

function refuseBeside(what: string, others: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(others)) {
    if (value === undefined) continue
    throw new OptionError('option-conflict', `${what} and ${name} contradict each other`, {
      hint: 'leave one of them out',
    })
  }
}

function checkSources(sources: unknown, option: string): void {
  if (sources === undefined) return
  for (const source of Array.isArray(sources) ? sources : [sources]) {
    if (
      typeof source === 'string' ||
      source instanceof Uint8Array ||
      source instanceof Certificate ||
      source instanceof TrustStore
    ) {
      continue
    }
    throw new OptionError(
      'option-invalid',
      `${option} must be a path, PEM text, DER bytes, a certificate or a TrustStore, or a list of these`,
    )
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
