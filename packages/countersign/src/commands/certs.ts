/**
 * `countersign certs`: what the authority has issued.
 *
 * @module
 */
import type { Authority, LedgerEntry, ListOptions } from '@countersign/authority'
import type { Command } from 'commander'
import { addCommand, dataOption, duration, perform, type SharedFlags } from '../command.ts'
import { withAuthority } from '../open-data.ts'
import { table } from '../output.ts'

interface CertsFlags extends SharedFlags {
  expiring?: number
  revoked?: boolean
}

/** Adds the command. */
export function addCerts(program: Command): void {
  addCommand(program, 'certs', 'list what the authority has issued')
    .addOption(dataOption())
    .option('--expiring <time>', 'only those that end within this time, as in 14d', duration)
    .option('--revoked', 'only those that were revoked')
    .action(async (flags: CertsFlags) =>
      perform(flags, async ({ output, data }) => {
        const entries = await withAuthority(data, async (authority) =>
          listAll(authority, { expiringWithinMs: flags.expiring, revoked: flags.revoked }),
        )
        const now = Date.now()
        output.result(
          entries,
          entries.length === 0
            ? ''
            : table([HEADING, ...entries.map((entry) => toRow(entry, now))]),
        )
        if (entries.length === 0) output.note('no certificate')
      }),
    )
}

const HEADING = ['NAMES', 'PROFILE', 'ENDS', 'STATE', 'SERIAL']

function toRow(entry: LedgerEntry, now: number): string[] {
  const state =
    entry.revokedAt !== undefined
      ? 'revoked'
      : entry.notAfter.getTime() <= now
        ? 'expired'
        : `${timeLeft(entry.notAfter.getTime() - now)} left`
  const [first = '', ...others] = entry.names
  return [
    others.length === 0 ? first : `${first} +${others.length}`,
    entry.profile,
    entry.notAfter.toISOString().slice(0, 16).replace('T', ' '),
    state,
    entry.serial,
  ]
}

/** Days, and hours below two days. */
function timeLeft(milliseconds: number): string {
  const hours = Math.floor(milliseconds / 3_600_000)
  return hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} d`
}

/** Every page of the ledger. */
async function listAll(authority: Authority, options: ListOptions): Promise<LedgerEntry[]> {
  const entries: LedgerEntry[] = []
  for (let after: string | undefined; ; ) {
    const page = await authority.list({ ...options, limit: PAGE, after })
    entries.push(...page)
    after = page.at(-1)?.fingerprint
    if (page.length < PAGE) return entries
  }
}

const PAGE = 1000
