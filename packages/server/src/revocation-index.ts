/**
 * Revocation by our own index: the lists of a server, and what each says about a certificate at the cost of a lookup.
 *
 * OpenSSL walks through a list at every handshake: with 100,000 entries that is ten times the rest of it. Here a list is a set of
 * serial numbers, and its signature is checked once for each issuer. The rules are those of `verifyChain` (RFC 5280 §6.3), which
 * would hash the whole list again for every certificate.
 *
 * @module
 */
import type { Certificate, CertificateRevocationList } from '@countersign/x509'
import type { LoadedList } from './list-reader.ts'
import type { Refusal } from './refusal.ts'

/** What a server does about revocation. */
export interface RevocationOptions {
  /** Whose lists are wanted: of everybody below the root, or of who signed the client's certificate. @defaultValue 'chain' */
  depth?: 'chain' | 'leaf' | undefined
  /**
   * What a list is worth once the next is due: nothing, so that nobody gets in, or as much as before for so many milliseconds.
   *
   * @defaultValue 'fail-closed'
   */
  stale?: 'fail-closed' | number | undefined
}

/** Until when (milliseconds) nobody of a chain is revoked, or the refusal. */
export type RevocationAnswer = number | Refusal

/** The lists of one set of terms. */
export class RevocationIndex {
  readonly #lists: readonly LoadedList[]
  readonly #leafOnly: boolean
  readonly #graceMs: number
  readonly #onMissing: (certificate: Certificate) => void
  /** Whether a list can be used, by issuer and by what of the certificate matters to its scope. */
  readonly #usable = new WeakMap<LoadedList, Map<string, boolean>>()

  /** @param onMissing - gets every certificate, of a verified path, of which there is no list */
  constructor(
    lists: readonly LoadedList[],
    options: RevocationOptions = {},
    onMissing: (certificate: Certificate) => void = () => {},
  ) {
    this.#onMissing = onMissing
    this.#lists = lists
    this.#leafOnly = options.depth === 'leaf'
    this.#graceMs = typeof options.stale === 'number' ? options.stale : 0
  }

  /** @param path - leaf first, trust anchor last; an anchor is not asked about */
  check(path: readonly Certificate[], now: number): RevocationAnswer {
    const below = this.#leafOnly ? Math.min(path.length - 1, 1) : path.length - 1
    let until = Number.POSITIVE_INFINITY
    for (let at = 0; at < below; at++) {
      const certificate = path[at]
      const issuer = path[at + 1]
      if (certificate === undefined || issuer === undefined) break
      const answer = this.#checkOne(certificate, issuer, now)
      if (typeof answer !== 'number') return answer
      until = Math.min(until, answer)
    }
    return until
  }

  #checkOne(certificate: Certificate, issuer: Certificate, now: number): RevocationAnswer {
    let until = Number.NEGATIVE_INFINITY
    let due: Date | undefined
    for (const loaded of this.#lists) {
      const { list } = loaded
      if (!this.#speaksAbout(loaded, certificate, issuer) || list.thisUpdate.getTime() > now)
        continue
      // Who is on a list that is out of date does not come off it.
      if (list.has(certificate.serialNumber)) return revoked(certificate, list)
      const end = list.nextUpdate?.getTime() ?? Number.POSITIVE_INFINITY
      if (end >= until) due = list.nextUpdate
      until = Math.max(until, end + this.#graceMs)
    }
    if (until >= now) return until + 1
    if (until === Number.NEGATIVE_INFINITY) {
      this.#onMissing(certificate)
      return missing(certificate)
    }
    return stale(issuer, due)
  }

  #speaksAbout(loaded: LoadedList, certificate: Certificate, issuer: Certificate): boolean {
    const { list } = loaded
    if (!list.issuer.equals(certificate.issuer)) return false
    let known = this.#usable.get(loaded)
    if (known === undefined) this.#usable.set(loaded, (known = new Map()))
    const key = `${issuer.fingerprint} ${scopeKey(list, certificate)}`
    let usable = known.get(key)
    if (usable === undefined) {
      usable = isUsable(loaded, certificate, issuer)
      if (known.size >= MOST_SCOPES) known.clear()
      known.set(key, usable)
    }
    return usable
  }
}

/** The rules of `verifyChain` for a list (RFC 5280 §6.3.3). */
function isUsable(loaded: LoadedList, certificate: Certificate, issuer: Certificate): boolean {
  const { list } = loaded
  if (list.isDelta || list.unknownCriticalExtensions.length > 0) return false
  if (!isInScope(list, certificate)) return false
  const { keyUsage } = issuer.extensions
  if (keyUsage !== undefined && !keyUsage.includes('cRLSign')) return false
  if (/md5|sha1/i.test(list.signatureAlgorithm)) return false
  return loaded.isIssuedBy(issuer)
}

function isInScope(list: CertificateRevocationList, certificate: Certificate): boolean {
  const scope = list.issuingDistributionPoint
  if (scope === undefined) return true
  if (scope.indirect || scope.onlySomeReasons || scope.onlyAttributeCertificates) return false
  if (certificate.isCa ? scope.onlyUserCertificates : scope.onlyCaCertificates) return false
  if (scope.fullName.length === 0) return true
  const points = pointsOf(certificate)
  return scope.fullName.some((name) => name.type === 'uri' && points.includes(name.value))
}

function scopeKey(list: CertificateRevocationList, certificate: Certificate): string {
  if (list.issuingDistributionPoint === undefined) return ''
  return [certificate.isCa ? 'authority' : 'leaf', ...pointsOf(certificate)].join(' ')
}

function pointsOf({ extensions }: Certificate): string[] {
  return (extensions.crlDistributionPoints ?? [])
    .flatMap(({ fullName }) => fullName ?? [])
    .flatMap((name) => (name.type === 'uri' ? [name.value] : []))
}

function revoked(certificate: Certificate, list: CertificateRevocationList): Refusal {
  const entry = list.get(certificate.serialNumber)
  const reason = entry?.reason === undefined ? '' : `: ${entry.reason}`
  const what = certificate.isCa
    ? 'an authority of the client certificate'
    : 'the client certificate'
  return {
    code: 'revoked',
    message: `${what} was revoked by its issuer on ${entry?.date.toISOString() ?? 'an unknown day'}${reason}`,
    hint: 'ask the authority for a new certificate with a new key',
  }
}

function missing(certificate: Certificate): Refusal {
  return {
    code: 'crl-missing',
    message: `no revocation list of ${shorten(certificate.issuer.toString())} can be used, so that nobody knows whether the client certificate is revoked`,
    hint: 'the operator of the server adds the list of that authority to crl',
  }
}

function stale(issuer: Certificate, due: Date | undefined): Refusal {
  return {
    code: 'crl-stale',
    message: `the revocation list of ${shorten(issuer.subject.toString())} is out of date: the next was due on ${due?.toISOString() ?? 'an unknown day'}`,
    hint: 'the operator of the server fetches the newest list of that authority',
  }
}

function shorten(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}

const MOST_SCOPES = 1000
