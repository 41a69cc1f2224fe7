/**
 * What a lint rule is, and what a rule is given to look at.
 *
 * @module
 */
import type { Certificate } from './certificate.ts'
import type { CertificateEncoding } from './lint-encoding.ts'
import type { PublicKey } from './public-key.ts'

/**
 * `error`: breaks a MUST, or clients refuse it. `warning`: will hurt sooner or later. `notice`: worth a look, may well be
 * meant.
 */
export type LintSeverity = 'error' | 'warning' | 'notice'

/** What a certificate is held to be: `leaf` is one that is neither for servers nor for clients of TLS. */
export type LintProfile = 'root' | 'issuer' | 'server' | 'client' | 'leaf'

/** Clients whose refusal was measured. `python-strict` is CPython from 3.13, whose default context is strict. */
export type LintClient = 'node' | 'python-strict' | 'go' | 'java' | 'chromium' | 'firefox'

/** What a rule is beside the way it looks. */
export interface LintRuleFacts {
  /** Stable: it never changes its meaning. */
  readonly id: string
  readonly severity: LintSeverity
  /**
   * Whether it looks at the serial number, the validity, the subject, the bytes of the key or the names themselves: what differs
   * between certificates of one kind. Any other rule finds the same in all of them. @defaultValue false
   */
  readonly varies?: boolean | undefined
  /** Which certificates it is about. */
  readonly profiles: readonly LintProfile[]
  /** What is wrong; the message where there is nothing to add. */
  readonly about: string
  /** Who says so: `RFC 5280 §4.1.2.2`. */
  readonly citation: string
  /** The way out, in one sentence. */
  readonly fix: string
  /** Clients that were measured to refuse it, whatever it is that was found. @defaultValue none */
  readonly refusedBy?: readonly LintClient[] | undefined
}

/** A fault in other words than `about`, or whether there is one. */
export type LintFault = string | boolean | RefusedFault | undefined

/** A fault of which it depends who refuses it. */
interface RefusedFault {
  readonly message: string
  readonly refusedBy: readonly LintClient[]
}

/** A rule about what a certificate says; where a part cannot be read it may throw an X509Error. */
export interface CertificateRule extends LintRuleFacts {
  readonly find: (certificate: Certificate, context: LintContext) => LintFault
}

/** A rule about how a certificate is written; it also looks at what cannot be read as a certificate. */
export interface EncodingRule extends LintRuleFacts {
  readonly findInEncoding: (encoding: CertificateEncoding) => LintFault
}

/** One rule. */
export type LintRule = CertificateRule | EncodingRule

/** What a rule may ask beside the certificate. */
export interface LintContext {
  readonly profile: LintProfile
  /** The clock to hold the validity against, if any. */
  readonly time: Date | undefined
  /** That of whoever signs, where it is at hand. */
  readonly issuerKey?: PublicKey | undefined
  /** Whether another certificate with the same issuer was found in order before. */
  readonly isIssuerKnown: boolean
  /** From the first second to the last, both included; below 0 where they are swapped. */
  readonly lifetimeMs: number
  /** The DNS names that are not plain host names; only they are worth a closer look. */
  readonly oddDnsNames: readonly string[]
}

/** Every profile. */
export const ALL: readonly LintProfile[] = ['root', 'issuer', 'server', 'client', 'leaf']
/** Authorities. */
export const AUTHORITIES: readonly LintProfile[] = ['root', 'issuer']
/** Whatever signs no certificates. */
export const LEAVES: readonly LintProfile[] = ['server', 'client', 'leaf']
/** Every client that was measured. */
export const ALL_CLIENTS: readonly LintClient[] = [
  'node',
  'python-strict',
  'go',
  'java',
  'chromium',
  'firefox',
]

/** Of those whose verdict is predicted, the ones that findings name. */
export function measured(clients: readonly string[]): LintClient[] {
  return ALL_CLIENTS.filter((client) => clients.includes(client))
}
