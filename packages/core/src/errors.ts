/**
 * The base of every error this project throws: a stable code, the fault, and the way out.
 *
 * Not here: the codes. Each package keeps one class of its own in its `errors.ts`.
 *
 * @module
 */

/** What an error may carry beside its code and message. */
export interface ErrorDetail {
  /** The way out: one sentence or one command that mends it. */
  hint?: string | undefined
  /** The error that led here. */
  cause?: unknown
}

/**
 * A fault with a stable `code`. The `message` states the fault, the `hint` the way out; facts are fields
 * of the subclass and appear in {@link CountersignError.toJSON}.
 */
export class CountersignError<Code extends string = string> extends Error {
  /** Stable: a code never changes its meaning. */
  readonly code: Code
  readonly hint: string | undefined

  constructor(code: Code, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause })
    this.name = new.target.name
    this.code = code
    this.hint = detail.hint
  }

  /** The error as a JSON value: code, message, hint and the facts, never the stack and never the cause. */
  toJSON(): Record<string, unknown> {
    const { name: _name, code, hint, cause: _cause, stack: _stack, ...facts } = this
    const json: Record<string, unknown> = { code, message: this.message }
    if (hint !== undefined) json['hint'] = hint
    for (const [key, value] of Object.entries(facts)) {
      if (value !== undefined) json[key] = value
    }
    return json
  }
}

/** The codes of {@link CoreError}. */
export type CoreErrorCode =
  | 'option-unknown'
  | 'option-invalid'
  | 'duration-invalid'
  | 'file-write-failed'
  | 'folder-not-private'
  | 'wait-timeout'
  | 'wait-aborted'

/** A mistake in an option, a file that could not be written, or a wait that ended early. */
export class CoreError extends CountersignError<CoreErrorCode> {}

/** The `code` of an error of Node's own (`ENOENT`, `ERR_SSL_...`), or `undefined` where there is none. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** The message of whatever was thrown. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
