/**
 * Every error's exit code, in one table.
 *
 * @module
 */
import { CountersignError } from '@countersign/core'
import type { ReasonCode } from '@countersign/tls'
import { EXIT, ProgramError } from './errors.ts'

/** The exit code of whatever a command threw. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof ProgramError) return error.exit
  if (!(error instanceof CountersignError)) return EXIT.failed
  const code: string = error.code
  if (isOwnFault(error)) return EXIT.usage
  return (
    BY_CLASS.get(error.name) ??
    (error.name === 'TlsError' ? BY_TLS_CODE.get(code) : BY_CODE.get(code)) ??
    EXIT.failed
  )
}

/** A key that does not fit its certificate has the code of a refusal, and nobody was asked yet. */
function isOwnFault(error: CountersignError): boolean {
  return error.name === 'TlsError' && BY_TLS_CODE.get(error.code) === EXIT.trust && !hasHost(error)
}

function hasHost(error: CountersignError): boolean {
  return 'host' in error && error.host !== undefined
}

/** The exit code of an explanation that is not `ok`, by its code. */
export function reasonExitCode(code: string | undefined): number {
  return BY_TLS_CODE.get(code ?? '') ?? EXIT.unreachable
}

/**
 * The exit code where nobody else is involved yet: a service that does not start has not been refused by anybody,
 * though the fault in its own certificate has the code of a refusal.
 */
export function localExitCodeOf(error: unknown): number {
  // The files that a service was started with are its state more than a mistake on the command line.
  if (error instanceof CountersignError && isOwnFault(error)) return EXIT.failed
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

/** What `TlsError` says of a connection; the type makes sure that no reason is missing. */
const BY_REASON = {
  'untrusted-root': EXIT.trust,
  'missing-intermediate': EXIT.trust,
  'key-mismatch': EXIT.trust,
  'self-signed': EXIT.trust,
  'untrusted-root-sent': EXIT.trust,
  'not-yet-valid': EXIT.trust,
  expired: EXIT.trust,
  'bad-signature': EXIT.trust,
  revoked: EXIT.trust,
  'crl-missing': EXIT.trust,
  'crl-stale': EXIT.trust,
  'name-mismatch': EXIT.trust,
  'wrong-purpose': EXIT.trust,
  'not-a-ca': EXIT.trust,
  'path-too-long': EXIT.trust,
  'critical-extension': EXIT.trust,
  'name-constraint': EXIT.trust,
  'weak-crypto': EXIT.trust,
  'rejected-by-policy': EXIT.trust,
  'server-refused-client-cert': EXIT.refused,
  'not-tls': EXIT.unreachable,
  reset: EXIT.unreachable,
} satisfies Record<ReasonCode, number>

const BY_TLS_CODE: ReadonlyMap<string, number> = new Map([
  ...Object.entries(BY_REASON),
  ['connect-failed', EXIT.unreachable],
])

/** A value that cannot be what it stands for is a mistake on the command line. */
const BY_CODE: ReadonlyMap<string, number> = new Map(
  ['option-unknown', 'option-invalid', 'duration-invalid', 'name-invalid'].map(
    (code) => [code, EXIT.usage] as const,
  ),
)
