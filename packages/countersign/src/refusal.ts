/**
 * What a service says to a refusal, as the fault of a command.
 *
 * @module
 */
import { EXIT, ProgramError } from './errors.ts'

/** The service's own words, where it gave any; for whoever was refused another exit code than for what failed. */
export function refusal(status: number, body: string): ProgramError {
  const words = problemWords(body)
  return new ProgramError('refused', words.detail ?? `the service answered ${status}`, {
    hint: words.hint,
    exit: status === 401 || status === 403 ? EXIT.refused : EXIT.failed,
  })
}

function problemWords(body: string): { detail?: string; hint?: string } {
  try {
    const value: unknown = JSON.parse(body)
    if (typeof value !== 'object' || value === null) return {}
    const words: { detail?: string; hint?: string } = {}
    if ('detail' in value && typeof value.detail === 'string') words.detail = value.detail
    if ('hint' in value && typeof value.hint === 'string') words.hint = value.hint
    // Of a password that is refused.
    if ('reasons' in value && Array.isArray(value.reasons)) {
      words.detail = `${words.detail ?? 'refused'}: ${value.reasons.map(String).join(', ')}`
      words.hint ??= 'four or more words of your own will do'
    }
    return words
  } catch {
    return {}
  }
}
