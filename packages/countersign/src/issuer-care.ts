/**
 * The authority's own issuer, renewed by whoever comes by once it is due; and the words for where that cannot be done.
 *
 * @module
 */
import type { Authority, IssuerOverdue } from '@countersign/authority'
import { CountersignError } from '@countersign/core'
import { dataFlag } from './data-flag.ts'
import type { DataFolder } from './data-folder.ts'

/**
 * For commands that sign: renews the issuer where it is due. What stands in the way of that does not stand in the way of the command.
 *
 * @param note - a remark for the operator
 */
export async function careForIssuer(
  authority: Authority,
  data: DataFolder,
  note: (text: string) => void,
): Promise<void> {
  try {
    const { overdue } = await authority.upkeep()
    // The address changes with every start of a service on a port of its own: not worth a word each time.
    if (overdue !== undefined && overdue.reason !== 'address') note(overdueText(overdue, data))
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    // The command itself will fail for it, and say so.
    if (SAME_FOR_LEAVES.has(error.code)) return
    note(`the issuer is due and could not be renewed: ${error.message}`)
  }
}

/** Why an issuer was not renewed, and the command that does it. */
export function overdueText({ issuer, reason }: IssuerOverdue, data: DataFolder): string {
  const name = issuer.subject.get('commonName') ?? issuer.subject.toString()
  const ends = `${name} ends at ${issuer.notAfter.toISOString()}`
  const renew = `countersign roll issuer --same-key --root-key FILE${dataFlag(data)}`
  if (reason === 'root') {
    return `${ends}, together with its root, which needs a successor: countersign roll root${dataFlag(data)}`
  }
  const why = reason === 'ends' ? `${ends}, is due,` : `${name} names its root’s list elsewhere,`
  return `${why} and the key of its root is not here: ${renew}`
}

const SAME_FOR_LEAVES: ReadonlySet<string> = new Set(['root-expired', 'clock-wrong'])
