/**
 * The authority's own issuer, renewed while the service runs; and a word to the operator where that cannot be done here.
 *
 * @module
 */
import { type Authority, AuthorityError } from '@countersign/authority'
import type { Clock } from '@countersign/core'
import type { DataFolder } from '../data-folder.ts'
import { overdueText } from '../issuer-care.ts'

/** What the upkeep needs. */
export interface IssuerUpkeepParts {
  authority: Authority
  data: DataFolder
  /** A remark for the operator. */
  note: (text: string) => void
  clock: Clock
}

/** Makes the work that is done at every look: takes over what other processes changed, renews what is due, tells once a day what cannot be. */
export function issuerUpkeep({
  authority,
  data,
  note,
  clock,
}: IssuerUpkeepParts): () => Promise<void> {
  const toldAt = new Map<string, number>()
  const tellOnceADay = (why: string, text: string): void => {
    const now = clock().getTime()
    const before = toldAt.get(why)
    if (before !== undefined && now - before < DAY_MS) return
    toldAt.set(why, now)
    note(text)
  }
  return async () => {
    await authority.refresh()
    const { renewed, overdue, retired } = await authority.upkeep().catch((error: unknown) => {
      // What was there before holds, and the next look tries again.
      if (!(error instanceof AuthorityError) || !OF_SIGNERS.has(error.code)) throw error
      tellOnceADay(error.code, `the issuer is due and could not be renewed: ${error.message}`)
      return { renewed: undefined, overdue: undefined, retired: [] }
    })
    if (renewed !== undefined) {
      note(`renewed the issuer's certificate, valid until ${renewed.notAfter.toISOString()}`)
    }
    for (const id of retired) note(`retired ${id}: the last certificate under it has ended`)
    if (overdue !== undefined) tellOnceADay(overdue.reason, overdueText(overdue, data))
  }
}

const OF_SIGNERS: ReadonlySet<string> = new Set(['signer-unavailable', 'signer-refused'])

const DAY_MS = 86_400_000
