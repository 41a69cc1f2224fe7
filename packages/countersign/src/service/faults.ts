/**
 * What went wrong inside sign-in and authority, for the operator: the answer over HTTP says nothing about it.
 *
 * @module
 */
import type { AuthEvent } from '@countersign/auth'
import { AuthorityError } from '@countersign/authority'
import { errorMessage } from '@countersign/core'

/** Notes a fault that an answer of the authority says nothing of, once a minute: OCSP answers everybody who asks. */
export function reportAuthorityFaults(note: (text: string) => void): (error: unknown) => void {
  const unanswered = onceAMinute(note, 'a question about a certificate was not answered')
  const overdue = onceAMinute(note, 'an answer is older than it should be')
  return (error) => {
    const isOverdue = error instanceof AuthorityError && error.code === 'signature-overdue'
    ;(isOverdue ? overdue : unanswered)(error)
  }
}

/** Notes a fault that an answer of ACME says nothing of, once a minute. */
export function reportAcmeFaults(note: (text: string) => void): (error: unknown) => void {
  return onceAMinute(note, 'an ACME request was not served')
}

function onceAMinute(note: (text: string) => void, what: string): (error: unknown) => void {
  let quietUntil = Number.NEGATIVE_INFINITY
  return (error) => {
    const now = performance.now()
    if (now < quietUntil) return
    quietUntil = now + QUIET_MS
    note(`${what}: ${errorMessage(error)}`)
  }
}

/** Notes every fault, and a database that is away once a minute: a flood of requests is no flood of lines. */
export function reportFaults(note: (text: string) => void): (event: AuthEvent) => void {
  let quietUntil = Number.NEGATIVE_INFINITY
  return ({ type, reason, error }) => {
    if (type !== 'sys_failure' && type !== 'sys_store_unavailable') return
    const now = performance.now()
    if (type === 'sys_store_unavailable') {
      if (now < quietUntil) return
      quietUntil = now + QUIET_MS
    }
    note(
      `a request was not answered${reason === undefined ? '' : ` (${reason})`}: ${errorMessage(error)}`,
    )
  }
}

const QUIET_MS = 60_000
