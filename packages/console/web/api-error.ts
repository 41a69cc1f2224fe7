/**
 * A request that did not get what it asked for, in words for the person in front of the page.
 *
 * @module
 */

/** What went wrong, and what to do. */
export class ApiError extends Error {
  /** HTTP status; 0 where there was no answer. */
  readonly status: number
  /** Stable code of the problem document, or our own for what happened on the way. */
  readonly code: string
  readonly hint: string | undefined
  /** What else the problem document says. */
  readonly facts: Readonly<Record<string, unknown>>

  constructor(
    status: number,
    code: string,
    message: string,
    hint?: string,
    facts: Readonly<Record<string, unknown>> = {},
  ) {
    super(message)
    this.name = 'ApiError'
    this.status = status
    this.code = code
    this.hint = hint
    this.facts = facts
  }
}

/** Whatever was thrown, as an {@link ApiError}. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  return new ApiError(0, 'page-fault', 'the page met a fault of its own', 'load the page again')
}

/** The fault as a sentence: the service writes without capital and full stop. */
export function sentence(text: string): string {
  const trimmed = text.trim()
  if (trimmed === '') return ''
  const start = /^[a-z]+\b/.test(trimmed)
    ? trimmed.charAt(0).toUpperCase() + trimmed.slice(1)
    : trimmed
  return /[.!?]$/.test(start) ? start : `${start}.`
}

/** A hint without the routes that programs would ask: whoever looks at a page has buttons. */
export function withoutRoutes(hint: string): string {
  return hint.replaceAll(/(?::| \() ?(?:GET|POST|PUT|DELETE) \/[\w/:{}-]*\)?/g, '')
}
