/**
 * `countersign user factors`: what somebody has beside their password, and the way back for whoever has lost it.
 *
 * @module
 */
import type { FactorInfo } from '@countersign/auth'
import type { Command } from 'commander'
import { addCommand, dataOption, perform, type SharedFlags } from '../command.ts'
import { ProgramError } from '../errors.ts'
import { withAuth, withAuthorityAndUsers } from '../open-data.ts'
import { table } from '../output.ts'

interface FactorsFlags extends SharedFlags {
  reset?: boolean
  remove?: string
}

/** Adds the command below `user`. */
export function addUserFactors(user: Command): void {
  addCommand(
    user,
    'factors <name>',
    'list what a user has beside the password; remove it where it was lost',
  )
    .addOption(dataOption())
    .option('--reset', 'remove apps, passkeys and recovery codes, and end every session')
    .option('--remove <id>', 'remove one, and end every session; a certificate is revoked')
    .action(async (name: string, flags: FactorsFlags) =>
      perform(flags, async ({ output, data }) => {
        const { remove } = flags
        if (flags.reset === true && remove !== undefined) {
          throw new ProgramError('usage', '--reset and --remove are two things', {
            hint: 'remove one with --remove ID, or everything that was lost with --reset',
          })
        }
        if (remove !== undefined) {
          // A certificate is known to the authority as well.
          await withAuthorityAndUsers(data, async (_authority, auth) =>
            auth.factors.remove(name, remove),
          )
          output.result({ name, id: remove, removed: true }, `removed ${remove}`)
          output.note(`every session of ${name} has ended`)
          return
        }
        await withAuth(data, async (auth) => {
          if (flags.reset !== true) {
            const factors = await auth.factors.list(name)
            output.result(
              factors,
              factors.length === 0 ? '' : table([HEADING, ...factors.map(row)]),
            )
            if (factors.length === 0) output.note('the password, and nothing beside it')
            return
          }
          const removed = await auth.factors.reset(name)
          output.result(removed, removed.length === 0 ? '' : table([HEADING, ...removed.map(row)]))
          output.note(
            removed.length === 0
              ? `${name} has neither app nor passkey: nothing was removed`
              : `removed; every session of ${name} has ended, and the password is enough until they add another`,
          )
        })
      }),
    )
}

const HEADING = ['ID', 'TYPE', 'LABEL', 'ADDED', 'ENDS', 'LAST USED']

function row({ id, type, label, created, expires, lastUsed, remaining }: FactorInfo): string[] {
  return [
    id,
    type,
    remaining === undefined ? label : `${label}, ${remaining} left`,
    day(created),
    expires === undefined ? 'never' : day(expires),
    lastUsed === undefined ? 'never' : day(lastUsed),
  ]
}

function day(time: Date): string {
  return time.toISOString().slice(0, 10)
}
