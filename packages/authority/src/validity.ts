/**
 * From when to when: the clock checked, the lifetime cut to the issuer's.
 *
 * @module
 */
import { type Clock, wholeSeconds } from '@countersign/core'
import type { Certificate } from '@countersign/x509'
import { AuthorityError } from './errors.ts'

/** The validity of a leaf. */
export interface Validity {
  readonly notBefore: Date
  readonly notAfter: Date
  readonly cutToIssuer: boolean
}

/**
 * The time now; a clock that was never set is refused.
 *
 * @throws {@link AuthorityError} `clock-wrong`
 */
export function checkedNow(clock: Clock): Date {
  const now = clock()
  if (!(now.getTime() >= EARLIEST_MS)) throw clockWrong(now, 'nothing was signed before 2024')
  return now
}

/** The start of a validity: whole seconds, a minute back for clients whose clocks are behind. */
export function backdate(now: Date): Date {
  return wholeSeconds(new Date(now.getTime() - BACKDATE_MS))
}

/**
 * The validity of a leaf that is signed now.
 *
 * @throws {@link AuthorityError} `clock-wrong` before the authority's own start, `root-expired`, `issuer-expired` where less
 *   than a minute is left
 */
export function leafValidity(
  now: Date,
  lifetimeMs: number,
  issuer: Certificate,
  root: Certificate,
): Validity {
  checkAuthority(now, issuer, root)
  const backdated = backdate(now)
  const asked = wholeSeconds(new Date(now.getTime() + lifetimeMs))
  const cutToIssuer = asked > issuer.notAfter
  return {
    notBefore: backdated < issuer.notBefore ? issuer.notBefore : backdated,
    notAfter: cutToIssuer ? issuer.notAfter : asked,
    cutToIssuer,
  }
}

function checkAuthority(now: Date, issuer: Certificate, root: Certificate): void {
  for (const certificate of [root, issuer]) {
    if (now < certificate.notBefore) {
      throw clockWrong(
        now,
        `${certificate.subject.toString()} is valid from ${certificate.notBefore.toISOString()}`,
      )
    }
  }
  if (now >= root.notAfter) {
    throw new AuthorityError(
      'root-expired',
      `${root.subject.toString()} ended at ${root.notAfter.toISOString()}`,
      {
        hint: 'make a new authority and hand out its root; certificates under this one are refused everywhere',
      },
    )
  }
  if (now.getTime() + SHORTEST_MS > issuer.notAfter.getTime()) {
    throw new AuthorityError(
      'issuer-expired',
      `${issuer.subject.toString()} ${now < issuer.notAfter ? 'ends' : 'ended'} at ${issuer.notAfter.toISOString()}`,
      { hint: 'renew the issuer, which needs the root key: countersign roll issuer --same-key' },
    )
  }
}

function clockWrong(now: Date, reason: string): AuthorityError {
  const time = Number.isNaN(now.getTime()) ? 'no time at all' : now.toISOString()
  return new AuthorityError('clock-wrong', `the clock says ${time}, but ${reason}`, {
    hint: "set this machine's clock",
  })
}

const EARLIEST_MS = Date.UTC(2024, 0, 1)
const BACKDATE_MS = 60_000
const SHORTEST_MS = 60_000
