/**
 * Signing short revocation lists whole, and from when to when any list holds.
 *
 * @module
 */
import { wholeSeconds } from '@countersign/core'
import { buildCrl, type Certificate, type SyncSigner } from '@countersign/x509'
import type { CaKind } from './ca-certificates.ts'
import { parseRevocationReason } from './reasons.ts'
import type { SignedCrl } from './types.ts'
import { backdate } from './validity.ts'

/**
 * Signs a list.
 *
 * @param revoked - dates in milliseconds; one that lies after the start of the list is moved to it
 * @param until - its end @defaultValue a day or, for a root, a year from now
 */
export function signCrl(
  ca: { id: string; kind: CaKind; certificate: Certificate },
  signer: SyncSigner,
  number: number,
  now: Date,
  revoked: readonly RevokedRow[],
  until?: Date,
): SignedCrl {
  const { thisUpdate, nextUpdate } = listTimes(ca, now, until)
  const list = buildCrl(
    {
      issuer: ca.certificate,
      crlNumber: BigInt(number),
      thisUpdate,
      nextUpdate,
      revoked: revoked.map((row) => ({
        serialNumber: row.serial,
        date: wholeSeconds(new Date(Math.min(row.revoked_at ?? 0, thisUpdate.getTime()))),
        reason:
          row.revocation_reason === null ? undefined : parseRevocationReason(row.revocation_reason),
      })),
    },
    signer,
  )
  return { ca: ca.id, der: list.der, number, thisUpdate, nextUpdate }
}

/** From when to when a list holds that is signed now; cut to the end of who signs it. */
export function listTimes(
  { kind, certificate }: { kind: CaKind; certificate: Certificate },
  now: Date,
  until: Date = new Date(now.getTime() + LIST_LIFETIME_MS[kind]),
): { thisUpdate: Date; nextUpdate: Date } {
  const { notAfter } = certificate
  return {
    thisUpdate: backdate(now),
    nextUpdate: wholeSeconds(until < notAfter ? until : notAfter),
  }
}

/** A revoked certificate as a short list needs it. */
export interface RevokedRow {
  readonly serial: string
  readonly revoked_at: number | null
  readonly revocation_reason: string | null
}

const DAY_MS = 86_400_000
/** An issuer's list is signed every half day; a root's has to last while its key is offline. */
export const LIST_LIFETIME_MS: Readonly<Record<CaKind, number>> = {
  issuer: DAY_MS,
  root: 365 * DAY_MS,
}
