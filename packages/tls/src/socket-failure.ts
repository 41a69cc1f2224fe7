/**
 * What a broken socket says after its handshake: a reset, or an alert that TLS 1.3 sends late.
 *
 * @module
 */
import { errorCode, errorMessage } from '@countersign/core'
import { TlsError } from './errors.ts'
import { alertOf, classify } from './reasons.ts'

/**
 * @param what - `read` or `write`
 */
export function socketFailure(error: unknown, what: 'read' | 'write'): TlsError {
  if (error instanceof TlsError) return error
  const nodeCode = errorCode(error)
  if (nodeCode !== undefined && CLOSED.has(nodeCode)) {
    return new TlsError('socket-closed', `${what}: the socket is closed`, {
      nodeCode,
      cause: error,
    })
  }
  const row = classify(error)
  if (row === undefined) {
    return new TlsError(
      what === 'read' ? 'reset' : 'write-failed',
      `${what}: ${errorMessage(error)}`,
      { nodeCode, cause: error },
    )
  }
  return new TlsError(row.code, `${what}: ${row.message}`, {
    nodeCode,
    alert: alertOf(error),
    cause: error,
    hint: row.hint,
  })
}

/** What Node says to a write that was under way, or came, when we closed. */
const CLOSED: ReadonlySet<string> = new Set([
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_WRITE_AFTER_END',
  'ECANCELED',
])
