/**
 * `countersign audit`: what happened at sign-in and in the authority, and whether the log of it is whole.
 *
 * @module
 */
import type { AuditEntry, AuditVerdict } from '@countersign/auth'
import { type Command, InvalidArgumentError } from 'commander'
import { addCommand, dataOption, perform, type SharedFlags, wholeNumber } from '../command.ts'
import { EXIT, ProgramError } from '../errors.ts'
import { table } from '../output.ts'

interface ListFlags extends SharedFlags {
  limit?: number
  since?: Date
  event?: string
}

interface VerifyFlags extends SharedFlags {
  head?: { seq: number; hash: string }
}

/** Adds the command and what is below it. */
export function addAudit(program: Command): void {
  const audit = addCommand(
    program,
    'audit',
    'list what happened at sign-in and in the authority, or verify the log',
  )
    .addOption(dataOption())
    .option('--limit <rows>', 'how many of the latest rows', wholeNumber(1, 1000), 100)
    .option('--since <time>', 'only rows since this time, as in 2026-11-22T08:00:00Z', readTime)
    .option('--event <event>', 'only rows of one kind, as in authn_login_fail')
    .action(async (flags: ListFlags) =>
      perform(flags, async ({ output, data }) => {
        const { limit, since, event } = flags
        const { withAuditLog } = await import('../authority-events.ts')
        const entries = await withAuditLog(data, async (log) => log.list({ limit, since, event }))
        // Oldest first, as one reads; the latest stands last, where the terminal ends.
        const rows = entries.toReversed()
        output.result(rows, rows.length === 0 ? '' : table([HEADING, ...rows.map(rowOf)]))
        if (rows.length === 0) output.note('nothing happened')
      }),
    )
  addCommand(audit, 'verify', 'check that every row of the log is there and unchanged')
    .addOption(dataOption())
    .option(
      '--head <seq:hash>',
      'what an earlier verify printed: a log cut back since shows',
      readHead,
    )
    // `audit` has options of the same names, and commander gives it those that stand behind `verify` too.
    .action(async (_: VerifyFlags, command: Command) =>
      perform(command.optsWithGlobals(), async ({ output, data }) => {
        const { head: expected } = command.opts<VerifyFlags>()
        const { withAuditLog } = await import('../authority-events.ts')
        const verdict = await withAuditLog(data, async (log) => log.verify(expected))
        if (!verdict.ok) throw brokenLog(verdict)
        const { rows, head } = verdict
        const line = `${head.seq}:${head.hash}`
        output.result(
          { ...verdict, line },
          `${rows} rows, none missing, none changed\nhead ${line}`,
        )
        output.note('keep the head elsewhere, and give it with --head at the next look')
      }),
    )
}

function brokenLog(verdict: AuditVerdict): ProgramError {
  const { seq, fault } = verdict.broken ?? { seq: 0, fault: 'missing' as const }
  return new ProgramError('audit-broken', `row ${seq} of the audit log ${FAULTS[fault]}`, {
    exit: EXIT.trust,
    hint: `what stands before row ${seq} is as it was written; compare the rest with a backup`,
  })
}

const FAULTS = {
  missing: 'is missing',
  changed: 'was changed',
  unlinked: 'does not follow the one before it',
  unkeyed: 'was not written by this service',
  head: 'is the last one, and the log does not say that it ended there',
} as const

const HEADING = ['ROW', 'TIME', 'EVENT', 'WHO', 'FROM', 'WHY']

function rowOf({ seq, time, event, address, detail }: AuditEntry): string[] {
  const text = (name: string): string => {
    const value = detail[name]
    return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
  }
  const count = text('count')
  const why = [text('reason'), text('subject'), text('error')].filter((each) => each !== '')
  return [
    String(seq),
    time.toISOString().slice(0, 19).replace('T', ' '),
    event,
    text('name'),
    address ?? '',
    `${why.join(' ')}${count === '' ? '' : ` (${count} times)`}`,
  ]
}

function readTime(text: string): Date {
  const time = new Date(text)
  if (Number.isNaN(time.getTime())) {
    throw new InvalidArgumentError('Give a time as in 2026-11-22T08:00:00Z.')
  }
  return time
}

function readHead(text: string): { seq: number; hash: string } {
  const [, seq, hash] = /^(\d{1,15}):(\S+)$/.exec(text) ?? []
  if (seq === undefined || hash === undefined) {
    throw new InvalidArgumentError('Give what an earlier verify printed after "head".')
  }
  return { seq: Number(seq), hash }
}
