/**
 * Which kinds of keys and which critical extensions each client can use: one table for the predictions and for the linter.
 *
 * @module
 */
import { OID } from '../oid.ts'
import type { PublicKey } from '../public-key.ts'
import { HANDLED } from './check-chain.ts'
import type { KeyRule } from './client-checks.ts'
import { rsaBits } from './strength.ts'

/** A client whose judgement is predicted. `python-strict` is CPython from 3.13 on, whose default context is strict. */
export type ClientId =
  | 'node'
  | 'curl'
  | 'python'
  | 'python-strict'
  | 'go'
  | 'java'
  | 'chromium'
  | 'firefox'

/** What one client can use. */
export interface ClientSupport {
  /** Kinds of keys; of clients on OpenSSL its security level speaks as well. */
  readonly keys: KeyRule
  /** Critical extensions that it understands. */
  readonly handled: ReadonlySet<string>
}

/** Those who cannot use a key of this kind. */
export function refusersOfKey(key: PublicKey): ClientId[] {
  return refusers(({ keys }) => keys.accepts(key))
}

/** Those who refuse a certificate for this extension, once it is critical. */
export function refusersOfCritical(oid: string): ClientId[] {
  return refusers(({ handled }) => handled.has(oid))
}

function refusers(accepts: (support: ClientSupport) => boolean): ClientId[] {
  return CLIENTS.filter((client) => !accepts(SUPPORT[client]))
}

function keysOf(fewestRsaBits: number, ...others: readonly string[]): KeyRule {
  return {
    accepts: (key: PublicKey) => {
      const bits = rsaBits(key)
      return bits === undefined ? others.includes(key.description) : bits >= fewestRsaBits
    },
    needed: [...others, `RSA of ${fewestRsaBits} bits or more`].join(', '),
  }
}

/** OpenSSL 3.0; what its security level asks is asked of every client on OpenSSL. */
const OPENSSL_3_0: ClientSupport = {
  keys: {
    accepts: ({ description }) => !description.startsWith('ML-DSA'),
    needed: 'RSA, elliptic curves, Ed25519 or Ed448',
  },
  handled: HANDLED.openssl,
}
const NIST_CURVES = ['P-256', 'P-384', 'P-521']

/** Every client. */
export const SUPPORT: { readonly [client in ClientId]: ClientSupport } = {
  node: { keys: { accepts: () => true, needed: 'any' }, handled: HANDLED.openssl },
  curl: OPENSSL_3_0,
  python: OPENSSL_3_0,
  'python-strict': OPENSSL_3_0,
  go: {
    keys: keysOf(1, 'P-224', ...NIST_CURVES, 'Ed25519'),
    // `processExtensions` of crypto/x509 knows these not at all; newer ones than the measured one know the policies.
    handled: HANDLED.strict.difference(
      new Set<string>([OID.policyConstraints, OID.policyMappings, OID.inhibitAnyPolicy]),
    ),
  },
  java: { keys: keysOf(1024, ...NIST_CURVES, 'Ed25519', 'Ed448'), handled: HANDLED.openssl },
  chromium: {
    keys: keysOf(1024, ...NIST_CURVES, 'ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87'),
    handled: HANDLED.strict.difference(
      new Set<string>([OID.authorityKeyIdentifier, OID.subjectKeyIdentifier]),
    ),
  },
  firefox: { keys: keysOf(1024, ...NIST_CURVES), handled: HANDLED.strict },
}
/** In the order of the predictions. */
const CLIENTS: readonly ClientId[] = [
  'node',
  'curl',
  'python',
  'python-strict',
  'go',
  'java',
  'chromium',
  'firefox',
]
