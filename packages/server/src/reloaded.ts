/**
 * What a reload changed, site by site.
 *
 * @module
 */
import type { Certificate } from '@countersign/x509'
import { namesOf } from './reload-check.ts'
import type { Terms } from './sites.ts'

/** The certificate, whom it trusts or who is revoked, anything else of its context. */
export const RELOADED_PARTS = ['certificate', 'trust', 'settings'] as const

/** What is another now. */
export type ReloadedPart = (typeof RELOADED_PARTS)[number]

/** What a reload changed of one site; what did not change is empty. */
export interface SiteChange {
  /** The host it is for; `undefined` for the server's own. */
  readonly host: string | undefined
  /** `added` and `removed` where the map of hosts is another. */
  readonly kind: 'added' | 'removed' | 'changed'
  readonly changed: readonly ReloadedPart[]
  readonly certificate: {
    readonly before: Certificate | undefined
    readonly after: Certificate | undefined
    /** Host names and addresses that only the new one holds, and only the old one. */
    readonly namesAdded: readonly string[]
    readonly namesRemoved: readonly string[]
  }
  readonly authorities: {
    readonly added: readonly Certificate[]
    readonly removed: readonly Certificate[]
  }
  /** How many certificates the lists together name. */
  readonly revoked: { readonly before: number; readonly after: number }
}

/** What a reload changed. */
export interface Reloaded {
  /** What is another now, at any site; empty where the files said what they had said before. */
  readonly changed: readonly ReloadedPart[]
  /** The certificate served from now on, of the server's own site. */
  readonly certificate: Certificate | undefined
  /** Every site of which something changed. */
  readonly sites: readonly SiteChange[]
}

/** Compares the terms of a site. */
export function changeOf(
  host: string | undefined,
  before: Terms | undefined,
  after: Terms | undefined,
  otherContext: boolean,
): SiteChange | undefined {
  const changed = partsOf(before, after, otherContext)
  if (changed.length === 0) return undefined
  const certificates = { before: before?.context.certificate, after: after?.context.certificate }
  const names = {
    before: certificates.before === undefined ? [] : namesOf(certificates.before),
    after: certificates.after === undefined ? [] : namesOf(certificates.after),
  }
  return {
    host,
    kind: before === undefined ? 'added' : after === undefined ? 'removed' : 'changed',
    changed,
    certificate: {
      ...certificates,
      namesAdded: names.after.filter((name) => !names.before.includes(name)),
      namesRemoved: names.before.filter((name) => !names.after.includes(name)),
    },
    authorities: { added: onlyIn(after, before), removed: onlyIn(before, after) },
    revoked: { before: revokedIn(before), after: revokedIn(after) },
  }
}

function partsOf(
  before: Terms | undefined,
  after: Terms | undefined,
  otherContext: boolean,
): ReloadedPart[] {
  if (before === undefined || after === undefined) return [...RELOADED_PARTS]
  const changed: ReloadedPart[] = []
  if (chainOf(before) !== chainOf(after)) changed.push('certificate')
  if (trustOf(before) !== trustOf(after)) changed.push('trust')
  if (changed.length === 0 && otherContext) changed.push('settings')
  return changed
}

function chainOf({ context }: Terms): string {
  const all = [context.chain, ...context.moreChains]
  return all.map((chain) => chain.map(({ fingerprint }) => fingerprint).join(' ')).join(', ')
}

function trustOf({ context, lists }: Terms): string {
  return [context.epoch, ...lists.map(({ sha256 }) => sha256).toSorted()].join(' ')
}

function onlyIn(one: Terms | undefined, other: Terms | undefined): Certificate[] {
  if (one?.context.trust.sha256 === other?.context.trust.sha256) return []
  const certificates = one?.context.trust.certificates ?? []
  return certificates.filter(({ fingerprint }) => other?.context.trust.has(fingerprint) !== true)
}

function revokedIn(terms: Terms | undefined): number {
  return terms?.lists.reduce((sum, { list }) => sum + list.size, 0) ?? 0
}
