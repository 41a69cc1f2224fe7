/**
 * What is worth knowing beside the verdict.
 *
 * @module
 */
import type { Certificate } from '@countersign/x509'
import type { Place } from '../trust-places.ts'
import { type ChainFacts, shownTitle } from './chain-view.ts'
import { duration, plainText } from './plain-text.ts'
import { readable } from './readable.ts'

/** What the chain itself gives to know: its order, what is superfluous, an end that is near. */
export function notesOf(
  chain: readonly Uint8Array[],
  { sent, places }: ChainFacts,
  path: readonly Certificate[],
  time: Date,
): string[] {
  const notes: string[] = []
  const unread = chain.length - sent.length
  if (unread > 0) notes.push(`${unread} of the ${chain.length} certificates cannot be read`)
  const order = path.flatMap(({ fingerprint }) => places.get(fingerprint) ?? [])
  if (order.some((at, index) => at < (order[index - 1] ?? -1))) {
    notes.push(
      'the certificates were sent in the wrong order; TLS 1.2 clients may refuse that (RFC 5246 §7.4.2)',
    )
  }
  const besides = sent.filter((one) => !path.some((known) => known.equals(one)))
  const [first] = path
  const below = first && besides.find((one) => isBelow(one, first))
  if (first !== undefined && below !== undefined) {
    notes.push(
      `${shownTitle(below)} is issued by the first certificate: the leaf comes first, then its issuer, and so on`,
    )
  } else if (besides.length > 0) {
    const more = besides.length > MOST_NAMED ? ` and ${besides.length - MOST_NAMED} more` : ''
    const named = besides.slice(0, MOST_NAMED).map(shownTitle).join(', ')
    notes.push(`${named}${more}: sent, and no part of the chain`)
  }
  const [leaf] = path
  if (leaf?.isValidAt(time) === true) {
    const left = leaf.notAfter.getTime() - time.getTime()
    if (left < SOON_MS) notes.push(`${shownTitle(leaf)} ends in ${duration(left)}`)
  }
  return notes
}

/** Whether the issuer was put before what it issued. */
function isBelow(one: Certificate, issuer: Certificate): boolean {
  return (
    !one.equals(issuer) &&
    one.issuer.equals(issuer.subject) &&
    readable(() => one.verifySignature(issuer.publicKey)) === true
  )
}

/** Roots of the same name and another key confuse people more than anything else. */
export function oldCopies(elsewhere: readonly Place[]): string[] {
  return elsewhere
    .filter(({ sameNameOnly }) => sameNameOnly)
    .slice(0, 3)
    .map(
      ({ name, path, certificate }) =>
        `${path ?? name} holds ${plainText(certificate.subject)} with another key (sha256 ${certificate.fingerprint}): an old copy, or one of another authority`,
    )
}

const MOST_NAMED = 5
const SOON_MS = 3 * 86_400_000
