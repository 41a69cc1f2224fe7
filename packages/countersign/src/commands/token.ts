/**
 * `countersign token`: API tokens of users and services.
 *
 * @module
 */
import type { ApiTokenInfo } from '@countersign/auth'
import type { Command } from 'commander'
import {
  addCommand,
  collect,
  dataOption,
  perform,
  type SharedFlags,
  wholeNumber,
} from '../command.ts'
import { ProgramError } from '../errors.ts'
import { withAuth } from '../open-data.ts'
import { table } from '../output.ts'

interface CreateFlags extends SharedFlags {
  scope?: string[]
  days?: number
  label?: string
  network?: string[]
}

/** Adds the command and what is below it. */
export function addToken(program: Command): void {
  const token = program
    .command('token')
    .summary('make, list and revoke API tokens')
    .description('API tokens: what a program presents as Authorization: Bearer.')
  addCommand(token, 'create <name>', 'make a token for a user or service; it is shown once')
    .addOption(dataOption())
    .option(
      '--scope <scope>',
      'what it may be used for, as in ca:list; may be given again',
      collect,
    )
    .option('--days <days>', 'how long it lives', wholeNumber(1, 365), 90)
    .option('--label <text>', 'what it is for, as it is listed', 'command line')
    .option(
      '--network <network>',
      'where it may be used from, as in 10.0.0.0/8; may be given again',
      collect,
    )
    .action(async (name: string, flags: CreateFlags) =>
      perform(flags, async ({ output, data }) => {
        const { scope, days, label = 'command line', network } = flags
        const wanted = { label, scopes: scope ?? '*', days, networks: network } as const
        const made = await withAuth(data, async (auth) => auth.tokens.create(name, wanted))
        output.result({ token: made.token, ...made.info }, made.token)
        output.note(`for ${name}, ${usesOf(made.info)}, until ${day(made.info.expires)}`)
        output.note('the token is shown once; whoever has it is let in')
      }),
    )
  addCommand(token, 'list [name]', 'list the tokens of a user, or of everybody')
    .addOption(dataOption())
    .action(async (name: string | undefined, flags: SharedFlags) =>
      perform(flags, async ({ output, data }) => {
        const tokens = await withAuth(data, async (auth) => auth.tokens.list(name))
        const rows = tokens.map((each) => [
          each.id,
          each.name,
          each.label,
          usesOf(each),
          day(each.expires),
          each.lastUsed === undefined ? 'never' : day(each.lastUsed),
        ])
        output.result(tokens, rows.length === 0 ? '' : table([HEADING, ...rows]))
        if (rows.length === 0) output.note('no token')
      }),
    )
  addCommand(token, 'revoke <id>', 'end a token, at once')
    .addOption(dataOption())
    .action(async (id: string, flags: SharedFlags) =>
      perform(flags, async ({ output, data }) => {
        if (!(await withAuth(data, async (auth) => auth.tokens.revoke(id)))) {
          throw new ProgramError('not-found', `there is no token ${id}`, {
            hint: 'see which there are: countersign token list',
          })
        }
        output.result({ id, revoked: true }, `revoked ${id}`)
      }),
    )
}

const HEADING = ['ID', 'NAME', 'LABEL', 'SCOPES', 'ENDS', 'LAST USED']

function usesOf({ scopes }: ApiTokenInfo): string {
  return scopes === '*' ? 'all that its roles allow' : scopes.join(' ')
}

function day(time: Date): string {
  return time.toISOString().slice(0, 10)
}
