/**
 * Why a certificate was revoked, in the words of RFC 5280 §5.3.1.
 *
 * @module
 */
import { closest } from '@countersign/core'
import { REVOCATION_REASONS, type RevocationReason } from '@countersign/x509'
import { AuthorityError } from './errors.ts'

/**
 * Turns a text into a reason; `key-compromise` and `KEYCOMPROMISE` are `keyCompromise`.
 *
 * @throws {@link AuthorityError} `reason-unknown`
 */
export function parseRevocationReason(text: string): RevocationReason {
  const plain = text.replaceAll(/[-_\s]/g, '').toLowerCase()
  const reason = REASONS.find((known) => known.toLowerCase() === plain)
  if (reason !== undefined) return reason
  const near = closest(text, REASONS)
  throw new AuthorityError(
    'reason-unknown',
    `"${text.slice(0, 60)}" is no reason for a revocation`,
    {
      hint: near === undefined ? `reasons: ${REASONS.join(', ')}` : `did you mean "${near}"?`,
    },
  )
}

/** Nothing is put on hold here. */
const REASONS = REVOCATION_REASONS.filter(
  (reason) => reason !== 'certificateHold' && reason !== 'removeFromCRL',
)
