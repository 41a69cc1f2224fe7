/**
 * Plans into TLS contexts: each set of roots and identity is read and built once and then shared, because building a context
 * from a full bundle costs more than the handshake it is for.
 *
 * @module
 */
import { hash } from 'node:crypto'
import { readdirSync, type Stats, statSync } from 'node:fs'
import path from 'node:path'
import { CountersignError } from '@countersign/core'
import {
  type CaSource,
  type CertificateSource,
  createDefaultContext,
  isReasonCode,
  type KeySource,
  TlsContext,
  TlsError,
  TrustStore,
} from '@countersign/tls'
import { Certificate, PrivateKey } from '@countersign/x509'
import type { Security } from './connect.ts'
import { ClientError, OptionError, type OptionErrorCode } from './errors.ts'
import { type IdentityPlan, NO_PLAN, overlay, type TrustPlan } from './trust-plan.ts'

/** How connections are secured, with a name that two of them share only if they may share a socket. */
export type NamedSecurity = Security & { readonly id: string }

/** The trust of one session. */
export class SessionTrust {
  readonly #plan: TrustPlan
  readonly #readEnvironment: boolean
  /** What the session itself says, resolved; kept until the environment says otherwise. */
  readonly #own = new WeakMap<
    TrustPlan,
    { readonly stamp: string; readonly security: NamedSecurity }
  >()

  constructor(plan: TrustPlan, readEnvironment: boolean) {
    this.#plan = plan
    this.#readEnvironment = readEnvironment
  }

  /** What the session says; a call's plan goes over it. */
  get plan(): TrustPlan {
    return this.#plan
  }

  /**
   * The security of a connection.
   *
   * @param call - what the call says
   * @param home - whether the connection is to an origin that the session's identity and `verify: false` are meant for
   * @param away - whether it is to an origin the call was redirected to; then its own are not meant for it either
   * @throws {@link OptionError} with the code of the layer below: `ca-missing`, `key-mismatch`
   */
  security(call: TrustPlan, home: boolean, away: boolean): NamedSecurity {
    const mine = home && !away ? this.#plan : abroad(this.#plan)
    if (call !== NO_PLAN) return this.#resolve(overlay(away ? abroad(call) : call, mine))
    const known = this.#own.get(mine)
    const stamp = this.#stamp(mine)
    if (known !== undefined && known.stamp === stamp) return known.security
    const security = this.#resolve(mine)
    this.#own.set(mine, { stamp, security })
    return security
  }

  /** What the environment says, as far as it matters to this plan. */
  #stamp(plan: TrustPlan): string {
    const matters = this.#readEnvironment && plan.context === undefined && plan.only === undefined
    return matters ? VARIABLES.map((name) => process.env[name] ?? '').join('\n') : ''
  }

  #resolve(plan: TrustPlan): NamedSecurity {
    const verified = plan.verified !== false
    if (plan.context !== undefined) {
      const { context } = plan
      return { context, verified, id: idOf(context) }
    }
    const { identity } = plan
    const key = JSON.stringify([
      // Unverified connections need no roots, and a broken variable must not stop them.
      verified ? sourcesKey(plan) : 'none',
      verified ? this.#stamp(plan) : '',
      identityKey(identity),
    ])
    const context =
      contexts.get(key) ?? build(plan, identity, verified && this.#readEnvironment, verified)
    keep(key, context)
    return { context, verified, id: idOf(context) }
  }
}

/**
 * What a piece of code throws below us, as an error of this package.
 *
 * @throws {@link OptionError}
 */
function usable<T>(option: 'ca' | 'verify' | undefined, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof CountersignError) || error instanceof ClientError) throw error
    const message =
      option === 'verify' ? error.message.replace(/^option ca\b/, 'option verify') : error.message
    throw new OptionError(codeOf(error), message, { hint: error.hint, cause: error })
  }
}

function build(
  plan: TrustPlan,
  identity: IdentityPlan | undefined,
  readEnvironment: boolean,
  verified: boolean,
): TlsContext {
  return usable(plan.only?.option, () => {
    const trust = verified
      ? TrustStore.resolve({
          ca: plan.only?.sources,
          extraCa: plan.extra.length === 0 ? undefined : plan.extra.flat(),
          env: readEnvironment ? process.env : false,
        })
      : TrustStore.bundled()
    return createDefaultContext({ trust, ...identity })
  })
}

/** A plan for an origin that is not to see who we are, and that nobody excused from being verified. */
function abroad(plan: TrustPlan): TrustPlan {
  if (plan.verified !== false && plan.identity === undefined && plan.context === undefined) {
    return plan
  }
  let without = stripped.get(plan)
  if (without === undefined) {
    without = {
      ...plan,
      verified: plan.verified === false ? undefined : plan.verified,
      identity: undefined,
      context: plan.context === undefined ? undefined : withoutIdentity(plan.context),
    }
    stripped.set(plan, without)
  }
  return without
}

/** The same context without our certificate, made once, so that its connections can be shared. */
function withoutIdentity(context: TlsContext): TlsContext {
  if (context.certificate === undefined) return context
  let plain = anonymous.get(context)
  if (plain === undefined) {
    plain = context.withoutIdentity()
    anonymous.set(context, plain)
  }
  return plain
}

function idOf(context: TlsContext): string {
  let id = ids.get(context)
  if (id === undefined) {
    id = `${context.epoch.slice(0, 16)}.${context.certificate?.fingerprint.slice(0, 16) ?? '-'}.${++lastId}`
    ids.set(context, id)
  }
  return id
}

function keep(key: string, context: TlsContext): void {
  // Last used last: the first of a Map is the one to drop.
  contexts.delete(key)
  contexts.set(key, context)
  const [oldest] = contexts.keys()
  if (contexts.size > MOST_CONTEXTS && oldest !== undefined) contexts.delete(oldest)
}

/** An empty list is not the same as none: the first is refused, the second is the default. */
function sourcesKey(plan: TrustPlan): unknown[] {
  const only = plan.only === undefined ? 'default' : listed(plan.only.sources).map(sourceKey)
  return [only, plan.extra.map((sources) => listed(sources).map(sourceKey))]
}

function sourceKey(source: CaSource): string {
  if (source instanceof TrustStore) return `store ${source.sha256}`
  if (source instanceof Certificate) return `certificate ${source.fingerprint}`
  if (typeof source === 'string' && !source.includes('-----BEGIN ')) return pathKey(source)
  return hash('sha256', source)
}

function identityKey(identity: IdentityPlan | undefined): string[] {
  if (identity === undefined) return []
  const { cert, key, passphrase } = identity
  return [materialKey(cert), materialKey(key), hash('sha256', passphrase ?? '')]
}

function materialKey(material: CertificateSource | KeySource | undefined): string {
  if (material === undefined) return ''
  if (material instanceof PrivateKey) return hash('sha256', material.publicKey.spki)
  if (material instanceof Certificate) return material.fingerprint
  if (typeof material === 'string' && !material.includes('-----BEGIN ')) return pathKey(material)
  if (typeof material === 'string' || material instanceof Uint8Array)
    return hash('sha256', material)
  return material.map((one) => one.fingerprint).join(',')
}

/** A path with what stands there now: a bundle that was replaced is read again. */
function pathKey(file: string): string {
  const full = path.resolve(file)
  try {
    const stats = statSync(full)
    const stamp = stampOf(full, stats)
    if (!stats.isDirectory()) return stamp
    return [stamp, ...readdirSync(full).map((name) => entryStamp(full, name))].join('|')
  } catch {
    // Missing, too long, not ours to read: whoever reads it says so, with the option's name.
    return full
  }
}

function entryStamp(folder: string, name: string): string {
  try {
    return stampOf(name, statSync(path.join(folder, name)))
  } catch {
    // A link that leads nowhere is passed over when the folder is read.
    return name
  }
}

function stampOf(name: string, { mtimeMs, size, ino }: Stats): string {
  return `${name} ${mtimeMs} ${size} ${ino}`
}

function listed(sources: CaSource | readonly CaSource[]): readonly CaSource[] {
  return isList(sources) ? sources : [sources]
}

function isList(sources: CaSource | readonly CaSource[]): sources is readonly CaSource[] {
  return Array.isArray(sources)
}

function codeOf(error: CountersignError): OptionErrorCode {
  if (!(error instanceof TlsError)) return 'option-invalid'
  const { code } = error
  if (!isReasonCode(code)) return code
  return code === 'key-mismatch' || code === 'weak-crypto' ? code : 'option-invalid'
}

const contexts = new Map<string, TlsContext>()
const stripped = new WeakMap<TrustPlan, TrustPlan>()
const anonymous = new WeakMap<TlsContext, TlsContext>()
const ids = new WeakMap<TlsContext, string>()
let lastId = 0

const MOST_CONTEXTS = 64

/** The variables that can name certificates; NODE_EXTRA_CA_CERTS only adds. */
const VARIABLES = [
  'COUNTERSIGN_CA',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'REQUESTS_CA_BUNDLE',
  'CURL_CA_BUNDLE',
  'NODE_EXTRA_CA_CERTS',
]
