/**
 * From an error to the reason behind it, by the table of `reason-table.ts`.
 *
 * @module
 */
import { errorCode, errorMessage } from '@countersign/core'
import { type ReasonCode, TlsError, type TlsErrorCode } from './errors.ts'
import { type Reason, ROWS, type Row } from './reason-table.ts'

/**
 * The reason behind an error of Node's TLS, of undici or of this package; causes and the parts of an `AggregateError`
 * are searched too.
 *
 * @returns `undefined` where the error is not about trust: a refused connection, a time-out
 */
export function reasonOf(error: unknown): Reason | undefined {
  for (const one of errorsWithin(error)) {
    if (one instanceof TlsError) {
      if (isReasonCode(one.code)) {
        return { code: one.code, message: one.message, hint: one.hint ?? hintOf(one.code) }
      }
      continue
    }
    const found = classify(one)
    if (found !== undefined && isReasonCode(found.code)) {
      return { code: found.code, message: found.message, hint: found.hint }
    }
  }
  return undefined
}

/** Whether a code is one of the reasons, not a fault of an option, a file or a socket. */
export function isReasonCode(code: string): code is ReasonCode {
  return REASON_CODES.has(code)
}

/** What the table says about one error, whatever its code; `undefined` where no row fits. */
export function classify(error: unknown): Row | undefined {
  const code = errorCode(error)
  const message = errorMessage(error)
  const alert = alertOf(error)
  if (alert !== undefined) {
    const row = ROWS.find((candidate) => candidate.alert?.number === alert)
    if (row !== undefined) return row
  }
  if (code !== undefined) {
    const row = BY_NODE_CODE.get(code)
    if (row !== undefined) return row
  }
  // The text of an error that has a code of another world (a time-out, a parser) proves nothing.
  if (code !== undefined && !/^(UNSPECIFIED|EPROTO|ERR_SSL_.*|ERR_OSSL_.*)$/.test(code)) {
    return undefined
  }
  const text = message.toLowerCase()
  return ROWS.find((row) => row.texts?.some((part) => text.includes(part)) === true)
}

/** The number of the TLS alert that an error reports, or `undefined`. */
export function alertOf(error: unknown): number | undefined {
  const [, number] = /SSL alert number (\d+)/.exec(errorMessage(error)) ?? []
  if (number !== undefined) return Number(number)
  const [, name] = /^ERR_SSL_.*ALERT_(.+)$/.exec(errorCode(error) ?? '') ?? []
  if (name === undefined) return undefined
  return ROWS.find((row) => row.alert?.name === name)?.alert?.number
}

/** The standing hint of a code. */
export function hintOf(code: TlsErrorCode): string {
  return ROWS.find((row) => row.code === code)?.hint ?? ''
}

/** The standing words of a code. */
export function messageOf(code: TlsErrorCode): string {
  return ROWS.find((row) => row.code === code)?.message ?? code
}

/** The error, its causes and the parts of aggregates, outermost first. */
function errorsWithin(error: unknown): unknown[] {
  const found: unknown[] = []
  const queue: unknown[] = [error]
  while (queue.length > 0 && found.length < LARGEST_TREE) {
    const one = queue.shift()
    if (one === undefined || one === null || found.includes(one)) continue
    found.push(one)
    if (one instanceof AggregateError) queue.push(...one.errors)
    if (one instanceof Error) queue.push(one.cause)
  }
  return found
}

/** More causes than this are a loop or an attack. */
const LARGEST_TREE = 16

const BY_NODE_CODE: ReadonlyMap<string, Row> = new Map(
  ROWS.flatMap((row) => (row.nodeCodes ?? []).map((code) => [code, row] as const)),
)

const REASON_CODES: ReadonlySet<string> = new Set<ReasonCode>([
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
  'server-refused-client-cert',
  'not-tls',
  'reset',
])
