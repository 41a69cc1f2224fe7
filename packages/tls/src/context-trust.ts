/**
 * Whom a context believes, and whether it asks clients who they are: the options that Node would take in silence and get wrong.
 *
 * @module
 */
import type { ClientCertificates, TlsContextOptions } from './context-options.ts'
import { TlsError } from './errors.ts'
import { TrustStore } from './trust-store.ts'

/** Which side of a connection a context is for. @throws {@link TlsError} `option-invalid` */
export function purposeOf({
  purpose = 'server-auth',
}: TlsContextOptions): 'server-auth' | 'client-auth' {
  if (purpose === 'server-auth' || purpose === 'client-auth') return purpose
  throw new TlsError('option-invalid', `purpose "${String(purpose)}" is not known`, {
    source: 'purpose',
    hint: "write 'server-auth' for a client, 'client-auth' for a server",
  })
}

/** What a server does about client certificates. @throws {@link TlsError} `option-invalid`, `client-ca-required` */
export function clientCertificatesOf(
  options: TlsContextOptions,
  purpose: 'server-auth' | 'client-auth',
): ClientCertificates {
  const { clientCertificates } = options
  if (purpose === 'server-auth') {
    if (clientCertificates === undefined || clientCertificates === 'none') return 'none'
    throw new TlsError('option-invalid', 'clientCertificates is for servers', {
      source: 'clientCertificates',
      hint: "make the context with `purpose: 'client-auth'`",
    })
  }
  const given = options.ca !== undefined || options.trust !== undefined
  const policy = clientCertificates ?? (given ? 'require' : 'none')
  if (!CLIENT_CERTIFICATES.includes(policy)) {
    throw new TlsError('option-invalid', `clientCertificates "${policy}" is not known`, {
      source: 'clientCertificates',
      hint: `write one of ${CLIENT_CERTIFICATES.join(', ')}`,
    })
  }
  if (policy !== 'none' && !given) {
    throw new TlsError(
      'client-ca-required',
      `clientCertificates "${policy}" needs the authorities that may sign them`,
      {
        source: 'ca',
        // Node would fall back to the public roots: anybody's certificate would do.
        hint: 'pass the root of your clients as `ca`',
      },
    )
  }
  return policy
}

/** The authorities of a context. @throws {@link TlsError} `option-invalid`, `ca-empty`, `client-ca-required`, and those of reading them */
export function trustOf(
  options: TlsContextOptions,
  purpose: 'server-auth' | 'client-auth',
  policy: ClientCertificates,
): TrustStore {
  const { trust, ca, extraCa, env } = options
  if (trust !== undefined) {
    if (ca !== undefined || extraCa !== undefined || env !== undefined) {
      throw new TlsError('option-invalid', 'option trust stands instead of ca, extraCa and env', {
        source: 'trust',
      })
    }
    if (trust.size === 0) {
      throw new TlsError('ca-empty', 'option trust holds no certificate', { source: 'trust' })
    }
    return trust
  }
  if (purpose === 'server-auth') return TrustStore.resolve({ ca, extraCa, env })
  if (extraCa !== undefined && ca === undefined) {
    throw new TlsError(
      'client-ca-required',
      'extraCa would let in clients of every public authority as well',
      { source: 'extraCa', hint: 'pass the root of your clients as `ca`' },
    )
  }
  if (ca === undefined || policy === 'none') {
    // A CA that is not used is still read: a typing error must not wait for the day it is switched on.
    if (ca !== undefined) TrustStore.resolve({ ca, extraCa, env: false })
    return TrustStore.empty()
  }
  return TrustStore.resolve({ ca, extraCa, env: false })
}

const CLIENT_CERTIFICATES: readonly ClientCertificates[] = ['none', 'ask', 'require']
