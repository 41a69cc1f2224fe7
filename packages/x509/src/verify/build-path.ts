/**
 * Looks for a chain from a leaf to an anchor: depth first, the likeliest issuer first, turning back where it goes wrong.
 *
 * @module
 */
import type { Certificate } from '../certificate.ts'
import { X509Error } from '../errors.ts'
import { Budget, MAX_SIGNATURES } from './budget.ts'
import { CHAIN_RANKS, type Check, checkChain, CHECKS, type RankedFault } from './check-chain.ts'
import { type Candidate, explainDeadEnd } from './dead-end.ts'
import type { Settings } from './options.ts'
import { attempt } from './readable.ts'
import { checkKey } from './strength.ts'
import { type Fault, nameOf, type Verdict } from './verdict.ts'

/** What differs between those who look for chains, beside `strict` of the settings: whether they turn back. */
export interface PathRules {
  /** What a whole chain is held to. */
  readonly checks: readonly Check[]
  /** Whether a chain may end at what is trusted and not self-signed. */
  readonly partialChains: boolean
}

/**
 * The first chain without fault, or the fault of the one that got furthest.
 *
 * @param rules - those of the profile, unless told otherwise
 */
export function buildPath(
  settings: Settings,
  rules: PathRules = { checks: CHECKS, partialChains: settings.strict },
  budget: Budget = new Budget(),
): Verdict {
  const search = new Search(settings, rules, budget)
  search.extend([settings.leaf])
  // Nearly everybody copies names byte by byte (RFC 5280 §7.1); only where that leads nowhere are names compared as text.
  if (search.accepted === undefined && settings.strict) search.widen()
  if (search.accepted !== undefined) return { ok: true, chain: search.accepted }
  return { ok: false, ...search.fault }
}

class Search {
  accepted: Certificate[] | undefined
  readonly #settings: Settings
  readonly #rules: PathRules
  readonly #budget: Budget
  #best: RankedFault | undefined
  #exactly: boolean

  constructor(settings: Settings, rules: PathRules, budget: Budget) {
    this.#settings = settings
    this.#rules = rules
    this.#budget = budget
    this.#exactly = settings.strict
  }

  get fault(): Fault {
    const { exhausted } = this.#budget
    if (exhausted === undefined && this.#best !== undefined) return this.#best.fault
    const found = exhausted ?? 'steps'
    return {
      code: 'rejected-by-policy',
      message: `no chain was found within the bound of ${found} (${MAX_SIGNATURES} signatures): the certificates are too tangled`,
      certificate: this.#settings.leaf,
      facts: { rule: 'budget', found },
    }
  }

  /** Searches again, names compared as text. */
  widen(): void {
    if (this.#budget.exhausted !== undefined) return
    this.#exactly = false
    this.#best = undefined
    this.extend([this.#settings.leaf])
  }

  /** Tries every way up from the last certificate; true where nothing more is to be tried. */
  extend(chain: readonly Certificate[]): boolean {
    const top = chain.at(-1)
    if (top === undefined) return true
    let isOver = false
    // A certificate that cannot be read ends this way up, not the search.
    const fault = attempt(top, () => {
      isOver = this.#extendReadable(chain, top)
      return undefined
    })
    if (fault !== undefined) this.#note(fault, chain.length - MAX_LENGTH)
    return isOver
  }

  #extendReadable(chain: readonly Certificate[], top: Certificate): boolean {
    const isAnchor = this.#isAnchor(top)
    const { strict } = this.#settings
    if (isAnchor && (this.#complete(chain) || !strict)) return true
    const misfits: Candidate[] = []
    let isDeadEnd = !isAnchor
    for (const candidate of this.#candidates(top)) {
      const { certificate } = candidate
      if (this.#budget.exhausted !== undefined) return true
      const found = this.#tryIssuer(chain, top, certificate)
      if (this.#budget.exhausted !== undefined) return true
      if (found === 'misfit') misfits.push(candidate)
      else if (found === 'fits') {
        isDeadEnd = false
        if (!this.#isTooLong(chain, certificate) && this.extend([...chain, certificate]))
          return true
      } else if (found !== 'loop') {
        isDeadEnd = false
        this.#note(found, chain.length - MAX_LENGTH)
      }
      // OpenSSL goes up with the first issuer that fits by name and key identifier, and does not turn back.
      const isChosen = found === 'fits' || (found === 'misfit' && fitsLikeOpenssl(top, certificate))
      if (!strict && isChosen) break
    }
    if (isDeadEnd) {
      const fault = explainDeadEnd(chain, misfits, this.#settings, this.#budget)
      if (fault !== undefined) this.#note(fault, chain.length - MAX_LENGTH)
    }
    return this.#budget.exhausted !== undefined
  }

  /** Checks a chain that reached an anchor; true where the search is over. */
  #complete(chain: readonly Certificate[]): boolean {
    if (!this.#budget.countChain()) return true
    const found = checkChain(chain, this.#rules.checks, this.#settings, this.#budget)
    if (found === undefined) {
      this.accepted = [...chain]
      return true
    }
    this.#note(found.fault, found.rank)
    return false
  }

  /** Whether the issuer's key made the signature; a fault where it cannot be told. */
  #tryIssuer(
    chain: readonly Certificate[],
    top: Certificate,
    issuer: Certificate,
  ): 'fits' | 'misfit' | 'loop' | Fault {
    const { strict } = this.#settings
    let found: 'fits' | 'misfit' | 'loop' = 'misfit'
    const fault = attempt(issuer, () => {
      if (isLoop(chain, issuer)) found = 'loop'
      else if (strict || fitsLikeOpenssl(top, issuer)) {
        if (this.#budget.verify(top, issuer)) found = 'fits'
        // A key that nobody loads verifies nothing; that it is too odd says more than that the signature is wrong.
        else if ((top.authorityKeyId ?? issuer.subjectKeyId) === issuer.subjectKeyId) {
          return checkKey(issuer, strict)
        }
      }
      return undefined
    })
    return fault ?? found
  }

  #isTooLong(chain: readonly Certificate[], next: Certificate): boolean {
    const { maxDepth } = this.#settings
    if (chain.length <= maxDepth || this.#isAnchor(next)) return false
    const found = [...chain.slice(1), next].filter((one) => !one.isSelfIssued).length
    if (found <= maxDepth) return false
    const fault: Fault = {
      code: 'path-too-long',
      message: `the chain has more than ${maxDepth} intermediates: ${nameOf(next)} would be the next`,
      certificate: next,
      facts: { limit: maxDepth, found, limitedBy: 'max-depth' },
    }
    this.#note(fault, chain.length - MAX_LENGTH)
    return true
  }

  /** Whether a chain may end here; without partial chains only at what is self-signed. */
  #isAnchor(certificate: Certificate): boolean {
    const mayEnd =
      this.#rules.partialChains ||
      (certificate.isSelfIssued && fitsLikeOpenssl(certificate, certificate))
    return mayEnd && this.#settings.anchors.has(certificate)
  }

  /** Everything with the issuer's name, the likeliest first: the key identifier is a hint, not a rule. */
  #candidates(top: Certificate): Candidate[] {
    const { anchors, intermediates, time, strict } = this.#settings
    const exactly = this.#exactly
    const trusted = anchors.named(top.issuer, exactly)
    const sent = exactly ? intermediates.encoded(top.issuer) : intermediates.equal(top.issuer)
    const candidates: Candidate[] = trusted.map((certificate) => ({ certificate, from: 'roots' }))
    for (const certificate of sent) {
      if (trusted.some((one) => one.equals(certificate))) continue
      candidates.push({ certificate, from: 'intermediates' })
    }
    if (candidates.length < 2 || !this.#budget.countSteps(candidates.length)) return candidates
    const wanted = top.authorityKeyId
    return candidates
      .map((candidate) => ({
        candidate,
        score: strict ? score(candidate, wanted, time) : scoreLikeOpenssl(candidate, time),
      }))
      .toSorted((a, b) => b.score - a.score)
      .map(({ candidate }) => candidate)
  }

  #note(fault: Fault, rank: number): void {
    if (this.#best === undefined || rank > this.#best.rank) this.#best = { fault, rank }
  }
}

function score({ certificate, from }: Candidate, wanted: string | undefined, time: Date): number {
  let points = from === 'roots' ? 1 : 0
  if (certificate.isValidAt(time)) points += 2
  try {
    const offered = certificate.subjectKeyId
    if (wanted !== undefined && offered !== undefined) points += wanted === offered ? 8 : -8
    if (certificate.isCa) points += 4
  } catch (error) {
    if (!(error instanceof X509Error)) throw error
  }
  return points
}

/** What is trusted first, then what is valid, then in the order given. */
function scoreLikeOpenssl({ certificate, from }: Candidate, time: Date): number {
  return (from === 'roots' ? 2 : 0) + (certificate.isValidAt(time) ? 1 : 0)
}

/** The same name with the same key leads nowhere new. */
function isLoop(chain: readonly Certificate[], next: Certificate): boolean {
  return chain.some(
    (one) =>
      one === next || (one.publicKey.equals(next.publicKey) && one.subject.equals(next.subject)),
  )
}

/** For OpenSSL the authority key identifier is a rule: key, and issuer with serial number (X509_check_akid). */
function fitsLikeOpenssl(certificate: Certificate, issuer: Certificate): boolean {
  const authority = certificate.extensions.authorityKeyIdentifier
  if (authority === undefined) return true
  const { authorityKeyId: wanted } = certificate
  const offered = issuer.subjectKeyId
  if (wanted !== undefined && offered !== undefined && wanted !== offered) return false
  if (authority.serialNumber !== undefined && authority.serialNumber !== issuer.serialNumber) {
    return false
  }
  const [name] =
    authority.issuer?.flatMap((one) => (one.type === 'directory' ? [one.value] : [])) ?? []
  return name === undefined || name.equals(issuer.issuer)
}

/** Longer than any chain can get, so that a fault of a whole chain outranks every dead end. */
const MAX_LENGTH = MAX_SIGNATURES + CHAIN_RANKS
