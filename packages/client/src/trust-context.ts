/**
 * Plans into TLS contexts: each set of roots and identity is read and built once and then shared, because building a context
 * from a full bundle costs more than the handshake it is for.
 *
 * @module
 */
import { CountersignError } from '@countersign/core'
import {
  createDefaultContext,
  isReasonCode,
  TlsContext,
  TlsError,
  TrustStore,
} from '@countersign/tls'
import type { Security } from './security.ts'
import { ClientError, OptionError, type OptionErrorCode } from './errors.ts'
import { RevocationCheck } from './revocation.ts'
import { planOfDataFolders, type RevocationPlan } from './revocation-plan.ts'
import { isPinnedAlone, type TrustPlan } from './trust-plan.ts'

/** How connections are secured, with a name that two of them share only if they may share a socket. */
export type NamedSecurity = Security & { readonly id: string }

/**
 * What a plan means now.
 *
 * @param key - of the plan, the environment and its files: what was built under it before is used again
 * @throws {@link OptionError} with the code of the layer below: `ca-missing`, `key-mismatch`
 */
export function securityOf(
  plan: TrustPlan,
  readEnvironment: boolean,
  key: string | undefined,
): NamedSecurity {
  const { pins } = plan
  const verified = plan.verified !== false
  const pinnedAlone = isPinnedAlone(plan)
  const context = plan.context ?? shared(plan, readEnvironment, pinnedAlone, key)
  const wanted = verified && !pinnedAlone ? (plan.revocation ?? ofDataFolders(context)) : undefined
  const revocation =
    wanted === undefined || wanted.mode.depth === 'off'
      ? undefined
      : usable(undefined, () => new RevocationCheck(wanted))
  const parts = [idOf(context), pins?.texts.join(' ') ?? '', revocation?.id ?? '']
  return { context, verified, pins, pinnedAlone, revocation, id: parts.join('.') }
}

/** The same context without our certificate, made once, so that its connections can be shared. */
export function withoutIdentity(context: TlsContext): TlsContext {
  if (context.certificate === undefined) return context
  let plain = anonymous.get(context)
  if (plain === undefined) {
    plain = context.withoutIdentity()
    anonymous.set(context, plain)
  }
  return plain
}

/** Whether two mean the same: the files were written again, and nothing in them has changed. */
export function isSame(one: NamedSecurity, other: NamedSecurity): boolean {
  return (
    one.context.epoch === other.context.epoch &&
    chainOf(one) === chainOf(other) &&
    one.revocation?.id === other.revocation?.id
  )
}

/** Whoever trusts the data folder of an authority knows it: its lists are asked for where its certificates say. */
function ofDataFolders({ trust }: TlsContext): RevocationPlan | undefined {
  const folders = trust
    .describe()
    .sources.flatMap(({ kind, path }) =>
      kind === 'data-folder' && path !== undefined ? [path] : [],
    )
  return folders.length === 0 ? undefined : planOfDataFolders(folders)
}

function shared(
  plan: TrustPlan,
  readEnvironment: boolean,
  pinnedAlone: boolean,
  key: string | undefined,
): TlsContext {
  const known = key === undefined ? undefined : contexts.get(key)
  const context = known ?? build(plan, readEnvironment, pinnedAlone)
  if (key !== undefined) keep(key, context)
  return context
}

function build(plan: TrustPlan, readEnvironment: boolean, pinnedAlone: boolean): TlsContext {
  return usable(plan.only?.option, () => {
    // Unverified and pinned connections need no roots, and a broken variable must not stop them.
    const trust =
      plan.verified === false || pinnedAlone
        ? TrustStore.bundled()
        : TrustStore.resolve({
            ca: plan.only?.sources,
            extraCa: plan.extra.length === 0 ? undefined : plan.extra.flat(),
            env: readEnvironment ? process.env : false,
          })
    return createDefaultContext({ trust, ...plan.identity })
  })
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

function codeOf(error: CountersignError): OptionErrorCode {
  if (!(error instanceof TlsError)) return 'option-invalid'
  const { code } = error
  if (!isReasonCode(code)) return code
  return code === 'key-mismatch' || code === 'weak-crypto' ? code : 'option-invalid'
}

function chainOf({ context }: NamedSecurity): string {
  return context.chain.map(({ fingerprint }) => fingerprint).join(' ')
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

const contexts = new Map<string, TlsContext>()
const anonymous = new WeakMap<TlsContext, TlsContext>()
const ids = new WeakMap<TlsContext, string>()
let lastId = 0

const MOST_CONTEXTS = 64
