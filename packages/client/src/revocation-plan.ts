/**
 * What a call, a session or a profile says about revocation, as one checked value.
 *
 * Nothing is read here; `revocation.ts` does what a plan says.
 *
 * @module
 */
import type { CaSources, CrlSource } from '@countersign/tls'
import { checkSources, listed } from './ca-sources.ts'
import { OptionError } from './errors.ts'
import { check } from './option-checks.ts'

/** `leaf` or `chain`: every server needs lists. An object: those whose authorities are known. */
export type Revocation = 'off' | 'leaf' | 'chain' | RevocationOptions

/** How revocation is checked. */
export interface RevocationOptions {
  /** The leaf alone, or every certificate below the root. @defaultValue 'chain' */
  check?: 'leaf' | 'chain' | undefined
  /**
   * Authorities (roots or issuers) whose lists are fetched, over plain HTTP, from where the certificates below them say. A
   * chain of theirs is refused where a list cannot be had. @defaultValue none: only the lists of `crl` are used
   */
  fetch?: CaSources | undefined
  /** What a list is worth after the day the next one was due, where no newer one can be had. @defaultValue 'refuse' */
  stale?: 'refuse' | 'accept' | undefined
}

/** What is said about revocation. */
export interface RevocationPlan {
  readonly lists: readonly CrlSource[]
  readonly mode: RevocationMode
}

/** How the lists are used. */
interface RevocationMode {
  readonly depth: 'off' | 'leaf' | 'chain'
  /** Which chains are looked at: every one; those of authorities that were named; of those, what says where its list is. */
  readonly chains: 'every' | 'named' | 'telling'
  readonly fetch: CaSources | undefined
  readonly acceptStale: boolean
}

/** The options of a plan. */
interface Given {
  readonly crl?: CrlSource | readonly CrlSource[] | undefined
  readonly revocation?: Revocation | undefined
}

/**
 * Checks what was given.
 *
 * @throws {@link OptionError} `option-invalid`, `option-unknown`
 */
export function revocationPlan({ crl, revocation }: Given): RevocationPlan | undefined {
  if (crl === undefined && revocation === undefined) return undefined
  const lists = crl === undefined ? [] : listed(crl)
  const isEmpty = crl !== undefined && lists.length === 0
  if (isEmpty || !lists.every((one) => typeof one === 'string' || one instanceof Uint8Array)) {
    throw invalid('crl must be a path, PEM text or DER bytes, or a list of these')
  }
  return { lists, mode: revocation === undefined ? LISTS_ONLY : modeOf(revocation) }
}

/**
 * One plan over another. `crl` and `revocation` are two words: where the upper one says one of them, the lower one's other
 * still holds; but who names lists wants them looked at, also where the lower one is off.
 */
export function overlayRevocation(
  upper: RevocationPlan | undefined,
  lower: RevocationPlan | undefined,
): RevocationPlan | undefined {
  if (upper === undefined || lower === undefined) return upper ?? lower
  const saysMode = upper.mode !== LISTS_ONLY || lower.mode.depth === 'off'
  return {
    lists: upper.lists.length > 0 ? upper.lists : lower.lists,
    mode: saysMode ? upper.mode : lower.mode,
  }
}

/** For whoever trusts the data folder of an authority: its lists are asked for where its certificates say. */
export function planOfDataFolders(folders: readonly string[]): RevocationPlan {
  return {
    lists: [],
    mode: { depth: 'chain', chains: 'telling', fetch: folders, acceptStale: false },
  }
}

function modeOf(revocation: Revocation): RevocationMode {
  if (revocation === 'off' || revocation === 'leaf' || revocation === 'chain') {
    return { depth: revocation, chains: 'every', fetch: undefined, acceptStale: false }
  }
  if (typeof revocation !== 'object' || revocation === null) {
    throw invalid("revocation must be 'off', 'leaf', 'chain' or an object")
  }
  check(revocation, ['check', 'fetch', 'stale'], 'revocation')
  const { check: depth = 'chain', fetch, stale = 'refuse' } = revocation
  if (depth !== 'leaf' && depth !== 'chain') {
    throw invalid("revocation.check must be 'leaf' or 'chain'")
  }
  if (stale !== 'refuse' && stale !== 'accept') {
    throw invalid("revocation.stale must be 'refuse' or 'accept'")
  }
  checkSources(fetch, 'revocation.fetch')
  return { depth, chains: 'named', fetch, acceptStale: stale === 'accept' }
}

function invalid(message: string): OptionError {
  return new OptionError('option-invalid', message)
}

const LISTS_ONLY: RevocationMode = {
  depth: 'chain',
  chains: 'named',
  fetch: undefined,
  acceptStale: false,
}
