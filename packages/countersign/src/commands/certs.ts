/**
 * `countersign certs`: what the authority has issued.
 *
 * @module
 */
import type { Authority, LedgerEntry, ListOptions } from '@countersign/authority'
import { type Command, Option } from 'commander'
import { addCommand, dataOption, duration, perform, type SharedFlags } from '../command.ts'
import { ProgramError } from '../errors.ts'
import { withAuthority } from '../open-data.ts'
import { printable, stringify, table, writeOut } from '../output.ts'

interface CertsFlags extends SharedFlags {
  expiring?: number
  revoked?: boolean
  search?: string
  issuer?: string
  format?: 'table' | 'json' | 'jsonl'
}

/** Adds the command. */
export function addCerts(program: Command): void {
  addCommand(program, 'certs', 'list what the authority has issued')
    .addOption(dataOption())
    .option('--expiring <time>', 'only those that end within this time, as in 14d', duration)
    .option('--revoked', 'only those that were revoked')
    .option(
      '--search <text>',
      'only where a name or who asked contains this; a serial or fingerprint',
    )
    .option('--issuer <id>', 'only what this issuer signed, as in issuer-2026-a1b2')
    .addOption(
      new Option('--format <format>', 'jsonl: a JSON value on each line, as they are read').choices(
        ['table', 'json', 'jsonl'],
      ),
    )
    .action(async (flags: CertsFlags) =>
      perform(
        { ...flags, json: flags.json ?? flags.format === 'json' },
        async ({ output, data }) => {
          const options = {
            expiringWithinMs: flags.expiring,
            revoked: flags.revoked,
            search: flags.search,
            issuer: flags.issuer,
          }
          if (flags.format === 'jsonl') {
            if (flags.json === true) {
              throw new ProgramError('usage', '--json is one value, and --format jsonl one a line')
            }
            await withAuthority(data, async (authority) => {
              for await (const page of pagesOf(authority, options)) writeOut(linesOf(page))
            })
            return
          }
          const entries = await withAuthority(data, async (authority) => {
            const all: LedgerEntry[] = []
            for await (const page of pagesOf(authority, options)) all.push(...page)
            return all
          })
          const now = Date.now()
          output.result(
            entries,
            entries.length === 0
              ? ''
              : table([HEADING, ...entries.map((entry) => toRow(entry, now))]),
          )
          if (entries.length === 0) output.note('no certificate')
        },
      ),
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

/** Every page of the ledger, each when the one before was taken. */
async function* pagesOf(
  authority: Authority,
  options: ListOptions,
): AsyncGenerator<readonly LedgerEntry[]> {
  for (let after: string | undefined; ; ) {
    const page = await authority.list({ ...options, limit: PAGE, after })
    yield page
    after = page.at(-1)?.fingerprint
    if (page.length < PAGE) return
  }
}

function linesOf(entries: readonly LedgerEntry[]): string {
  return printable(entries.map((entry) => `${stringify(entry, 0)}\n`).join(''))
}

const PAGE = 1000
