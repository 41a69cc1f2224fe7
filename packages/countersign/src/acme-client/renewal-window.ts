/**
 * When a server suggests that a certificate is renewed (RFC 9773).
 *
 * @module
 */
import type { Certificate } from '@countersign/x509'
import { type AcmeFetch, type Document, documentOf, readDirectory } from './connection.ts'
import { ariId } from './renewal.ts'

/** A stretch of time in which a certificate is to be renewed, in milliseconds since 1970. */
export interface RenewalWindow {
  readonly start: number
  readonly end: number
  /** How long the suggestion holds before the server wants to be asked again. */
  readonly holdsMs: number
}

/**
 * Asks the server.
 *
 * @returns `undefined` where it suggests nothing
 * @throws ProgramError `acme-invalid`; what `fetch` throws
 */
export async function suggestedWindow(
  fetch: AcmeFetch,
  directory: string,
  certificate: Certificate,
): Promise<RenewalWindow | undefined> {
  return await windowIn(fetch, await readDirectory(fetch, directory), certificate)
}

/** The same with a directory that was read before. */
export async function windowIn(
  fetch: AcmeFetch,
  directory: Document,
  certificate: Certificate,
): Promise<RenewalWindow | undefined> {
  const id = ariId(certificate)
  const url = directory.get('renewalInfo')
  if (id === undefined || typeof url !== 'string') return undefined
  const answer = await fetch('GET', `${url}/${id}`)
  if (answer.status !== 200) return undefined
  const window = documentOf(answer).get('suggestedWindow')
  const start = timeOf(window, 'start')
  const end = timeOf(window, 'end')
  // RFC 9773 §4.2: one that ends before it begins is none.
  if (start === undefined || end === undefined || end < start) return undefined
  return { start, end, holdsMs: holdsMs(answer.headers.get('retry-after')) }
}

function timeOf(window: unknown, name: string): number | undefined {
  const text: unknown =
    typeof window === 'object' && window !== null ? Reflect.get(window, name) : undefined
  const time = typeof text === 'string' ? Date.parse(text) : Number.NaN
  return Number.isNaN(time) ? undefined : time
}

/** RFC 9773 §4.3: what is asked too often or too seldom is brought within bounds. */
function holdsMs(retryAfter: string | null): number {
  const seconds = Number(retryAfter ?? '')
  const asked = seconds > 0 ? seconds * 1000 : USUAL_MS
  return Math.min(LONGEST_MS, Math.max(SHORTEST_MS, asked))
}

const USUAL_MS = 6 * 3_600_000
const SHORTEST_MS = 60_000
const LONGEST_MS = 86_400_000
