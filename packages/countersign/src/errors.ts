/**
 * What the program itself refuses, and how every error becomes an exit code.
 *
 * @module
 */
import { CountersignError, type ErrorDetail } from '@countersign/core'

/** The codes of {@link ProgramError}. */
export type ProgramErrorCode =
  | 'usage'
  | 'not-initialised'
  | 'already-running'
  | 'lock-unusable'
  | 'folder-shared'
  | 'folder-of-others'
  | 'database-missing'
  | 'configuration-invalid'
  | 'file-unreadable'
  | 'file-exists'
  | 'clock-wrong'
  | 'name-not-permitted'
  | 'request-failed'
  | 'refused'
  | 'not-found'
  | 'not-root'
  | 'privileges-kept'
  | 'store-refused'
  | 'root-unsuitable'
  | 'audit-broken'
  | 'secrets-readable'
  | 'root-ends'
  | 'bootstrap-failed'
  | 'fingerprint-differs'
  | 'exec-failed'
  | 'acme-invalid'
  | 'acme-refused'
  | 'acme-terms'
  | 'port-unusable'

/** Something the program cannot do as asked. */
export class ProgramError extends CountersignError<ProgramErrorCode> {
  /** The exit code where it is not 1: `EXIT.usage` and so on. */
  readonly exit: number

  constructor(
    code: ProgramErrorCode,
    message: string,
    detail: ErrorDetail & { exit?: number } = {},
  ) {
    super(code, message, detail)
    this.exit = detail.exit ?? (code === 'usage' ? EXIT.usage : EXIT.failed)
  }

  override toJSON(): Record<string, unknown> {
    const { exit: _exit, ...json } = super.toJSON()
    return json
  }
}

/** Exit codes, the same for every command. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  /** Verification refused. */
  trust: 3,
  /** Refused by the other side: 401 or 403, or our certificate was not accepted. */
  refused: 4,
  /** Could not connect. */
  unreachable: 5,
} as const
