/**
 * `countersign enroll-token`: one-time tokens that let another machine ask for its first certificate.
 *
 * @module
 */
import type { Command } from 'commander'
import { accountName } from '../account-name.ts'
import {
  addCommand,
  dataOption,
  duration,
  perform,
  type SharedFlags,
  wholeNumber,
} from '../command.ts'
import { ProgramError } from '../errors.ts'
import { withAuthority } from '../open-data.ts'
import { table } from '../output.ts'
import { type ProfileFlags, profileOf } from '../profile-flags.ts'
import { shellWord } from '../shell.ts'

interface EnrollFlags extends SharedFlags, ProfileFlags {
  ttl: number
  days?: number
  list?: boolean
  revoke?: string
}

/** Adds the command. */
export function addEnrollToken(program: Command): void {
  addCommand(
    program,
    'enroll-token [name...]',
    'make a one-time token for another machine’s first certificate',
  )
    .addOption(dataOption())
    .option('--client', 'for a client instead of a server')
    .option('--both', 'for a server that is a client as well')
    .option('--ttl <time>', 'how long it is good, up to 24h (default: 5m)', duration, 300_000)
    .option('--days <n>', 'the longest lifetime of the certificate', wholeNumber(1, 3650))
    .option('--list', 'those that can still be used')
    .option('--revoke <id>', 'take one back')
    .action(async (names: string[], flags: EnrollFlags) =>
      perform(flags, async ({ output, data }) => {
        refuseWrongUse(names, flags)
        if (flags.list === true) {
          const tokens = await withAuthority(data, async ({ enrolment }) => enrolment.list())
          const rows = tokens.map((each) => [
            each.id,
            each.names.join(' '),
            each.profile,
            each.expiresAt.toISOString(),
            each.createdBy,
          ])
          output.result(tokens, rows.length === 0 ? '' : table([HEADING, ...rows]))
          if (rows.length === 0) output.note('no token')
          return
        }
        if (flags.revoke !== undefined) {
          const id = flags.revoke
          if (!(await withAuthority(data, async ({ enrolment }) => enrolment.revoke(id)))) {
            throw new ProgramError('not-found', `there is no token ${id} that could be used`, {
              hint: 'see which there are: countersign enroll-token --list',
            })
          }
          output.result({ id, revoked: true }, `revoked ${id}`)
          return
        }
        const made = await withAuthority(data, async (authority) => {
          const wanted = {
            names,
            profile: profileOf(flags),
            ttlMs: flags.ttl,
            maxDays: flags.days,
            requester: accountName(),
          } as const
          const { token, info } = await authority.enrolment.create(wanted)
          const [root] = authority.roots
          return { token, info, url: authority.publicUrl, fingerprint: root?.fingerprint }
        })
        output.result({ token: made.token, ...made.info }, made.token)
        output.note(`good once, until ${made.info.expiresAt.toISOString()}; on the other machine:`)
        output.note(`  countersign bootstrap URL --fingerprint ${made.fingerprint}`)
        const profile = profileOf(flags) === 'server' ? '' : ` --${profileOf(flags)}`
        output.note(
          `  countersign issue ${names.map(shellWord).join(' ')}${profile} --from URL --token-file FILE`,
        )
      }),
    )
}

function refuseWrongUse(names: readonly string[], { list, revoke }: EnrollFlags): void {
  const wanted = [names.length > 0, list === true, revoke !== undefined].filter(Boolean).length
  if (wanted === 1) return
  throw new ProgramError('usage', 'give names, or --list, or --revoke', {
    hint: 'countersign enroll-token api.corp.internal',
  })
}

const HEADING = ['ID', 'NAMES', 'PROFILE', 'ENDS', 'MADE BY']
