/**
 * Every error's exit code, in one table.
 *
 * @module
 */
import { CountersignError } from '@countersign/core'
import { EXIT, ProgramError } from './errors.ts'

/** The exit code of whatever a command threw. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof ProgramError) return error.exit
  if (!(error instanceof CountersignError)) return EXIT.failed
  const code: string = error.code
  return (
    BY_CLASS.get(error.name) ??
    (error.name === 'TlsError' ? BY_TLS_CODE.get(code) : BY_CODE.get(code)) ??
    EXIT.failed
  )
}

/**
 * The exit code where nobody else is involved yet: a service that does not start has not been refused by anybody,
 * though the fault in its own certificate has the code of a refusal.
 */
export function localExitCodeOf(error: unknown): number {
  return exitCodeOf(error) === EXIT.usage ? EXIT.usage : EXIT.failed
}

/** By class, so that a command that never speaks to a network need not load the client. */
const BY_CLASS: ReadonlyMap<string, number> = new Map([
  ['TrustError', EXIT.trust],
  ['IdentityError', EXIT.refused],
  ['ConnectError', EXIT.unreachable],
  ['TimeoutError', EXIT.unreachable],
  ['OptionError', EXIT.usage],
])

const BY_TLS_CODE: ReadonlyMap<string, number> = new Map([
  ...[
    'untrusted-root',
    'missing-intermediate',
    'key-mismatch',
    'self-signed',
    'untrusted-root-sent',
    'not-yet-valid',
    'expired',
    'bad-signature',
    'revoked',
    'crl-missing',
    'crl-stale',
    'name-mismatch',
    'wrong-purpose',
    'not-a-ca',
    'path-too-long',
    'critical-extension',
    'name-constraint',
    'weak-crypto',
    'rejected-by-policy',
  ].map((code) => [code, EXIT.trust] as const),
  ['server-refused-client-cert', EXIT.refused],
  ...['not-tls', 'reset', 'connect-failed', 'connect-refused', 'connect-timeout'].map(
    (code) => [code, EXIT.unreachable] as const,
  ),
])

/** A value that cannot be what it stands for is a mistake on the command line. */
const BY_CODE: ReadonlyMap<string, number> = new Map(
  ['option-unknown', 'option-invalid', 'duration-invalid', 'name-invalid'].map(
    (code) => [code, EXIT.usage] as const,
  ),
)
