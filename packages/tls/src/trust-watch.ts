/**
 * Trust stores and contexts that follow their files.
 *
 * @module
 */
import { checkOptions } from '@countersign/core'
import { createDefaultContext, CONTEXT_OPTIONS, type TlsContext } from './context.ts'
import type { TlsContextOptions } from './context-options.ts'
import { environmentTrust } from './trust-environment.ts'
import { LIVE_OPTIONS, type LiveOptions, LiveValue } from './trust-live.ts'
import { refreshSystemRoots, systemRoots } from './trust-roots.ts'
import { isPem } from './trust-source.ts'
import { TRUST_OPTIONS, type TrustOptions, TrustStore } from './trust-store.ts'

/** What {@link watchTrust} takes. */
export interface WatchTrustOptions extends TrustOptions, LiveOptions<TrustStore> {}

/** What {@link watchContext} takes. */
export interface WatchContextOptions extends TlsContextOptions, LiveOptions<TlsContext> {}

/**
 * A trust store that follows the files and folders it was resolved from, the system's roots and the environment included.
 *
 * ```ts
 * await using trust = watchTrust({ ca: '/etc/countersign/roots.pem', onChange: (store) => console.log(store.size) })
 * trust.current // the TrustStore in force
 * ```
 *
 * @throws what {@link TrustStore.resolve} throws, for the first time it is read
 */
export function watchTrust(options: WatchTrustOptions = {}): LiveValue<TrustStore> {
  checkOptions(options, [...TRUST_OPTIONS, ...LIVE_OPTIONS], 'watchTrust')
  const { ca, extraCa, env, ...live } = options
  const trust = { ca, extraCa, env }
  return new LiveValue(
    {
      read: () => {
        refreshSystemRoots()
        return TrustStore.resolve(trust)
      },
      paths: () => trustPaths(trust),
      digestOf: ({ sha256 }) => sha256,
    },
    live,
  )
}

/**
 * A context that follows the files of its trust, its certificates and keys, and its revocation lists.
 *
 * ```ts
 * await using context = watchContext({ purpose: 'client-auth', cert, key, ca, onChange: (next) => listener.reload(next) })
 * const listener = await listen({ port: 8443, context: context.current })
 * ```
 *
 * @throws what {@link createDefaultContext} throws, for the first time it is made
 */
export function watchContext(options: WatchContextOptions): LiveValue<TlsContext> {
  checkOptions(options, [...CONTEXT_OPTIONS, ...LIVE_OPTIONS], 'watchContext')
  const { intervalMs, settleMs, retryMs, onChange, onError, ...context } = options
  return new LiveValue(
    {
      read: () => {
        refreshSystemRoots()
        return createDefaultContext(context)
      },
      paths: () => contextPaths(context),
      digestOf: ({ digest }) => digest,
    },
    { intervalMs, settleMs, retryMs, onChange, onError },
  )
}

/** The files and folders that {@link TrustStore.resolve} would read now; sources that are given as values have none. */
export function trustPaths({ ca, extraCa, env = process.env }: TrustOptions = {}): string[] {
  const given = [...pathsAmong(ca), ...pathsAmong(extraCa)]
  if (ca !== undefined) return given
  const { winners, paths } = environmentTrust(env)
  const system = winners.length === 0 ? pathsAmong(systemRoots().source.path) : []
  return [...given, ...paths, ...system]
}

/** The same for {@link createDefaultContext}: trust, certificates, keys and revocation lists. */
export function contextPaths(options: TlsContextOptions): string[] {
  const { purpose = 'server-auth', trust, ca, extraCa, env, cert, key, pfx, crl } = options
  const isDefault = purpose === 'server-auth' && trust === undefined
  const identities = [{ cert, key }, ...(options.moreCertificates ?? [])]
  return [
    ...(isDefault ? trustPaths({ ca, extraCa, env }) : pathsAmong([ca, extraCa])),
    ...pathsAmong(identities.map((one) => [one.cert, one.key])),
    ...pathsAmong([pfx, crl]),
  ]
}

/** Of texts, bytes and values, the texts that are no PEM. */
function pathsAmong(sources: unknown): string[] {
  if (Array.isArray(sources)) return sources.flatMap((source: unknown) => pathsAmong(source))
  return typeof sources === 'string' && sources.trim() !== '' && !isPem(sources) ? [sources] : []
}
