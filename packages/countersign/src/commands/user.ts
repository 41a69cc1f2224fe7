/**
 * `countersign user`: the people and services that may sign in.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import type { Command } from 'commander'
import {
  addCommand,
  collect,
  type CommandContext,
  dataOption,
  perform,
  type SharedFlags,
} from '../command.ts'
import { withAuth } from '../open-data.ts'
import { table } from '../output.ts'
import { askSecret, readStandardInput } from '../secrets.ts'

interface PasswordFlags extends SharedFlags {
  passwordStdin?: boolean
}

interface AddFlags extends PasswordFlags {
  role?: string[]
}

/** Adds the command and what is below it. */
export function addUser(program: Command): void {
  const user = program
    .command('user')
    .summary('add, list and change users')
    .description('Users of the service.')
  addCommand(user, 'add <name>', 'add a user')
    .addOption(dataOption())
    .option('--role <role>', 'a role, as in admin; may be given again', collect)
    .option('--password-stdin', 'read the password from standard input')
    .action(async (name: string, flags: AddFlags) =>
      perform(flags, async (context) => {
        await withAuth(context.data, async (auth) => {
          const { password, generated } = await newPassword(flags)
          const added = await auth.users.add({ name, password, roles: flags.role ?? [] })
          report(
            context,
            { id: added.id, name: added.name, roles: added.roles },
            `added ${added.name}`,
            generated,
          )
        })
      }),
    )
  addCommand(user, 'list', 'list the users')
    .addOption(dataOption())
    .action(async (flags: SharedFlags) =>
      perform(flags, async ({ output, data }) => {
        const users = await withAuth(data, async (auth) => auth.users.list())
        output.result(
          users,
          users.length === 0
            ? ''
            : table([
                ['NAME', 'ROLES', 'STATUS', 'ADDED'],
                ...users.map(({ name, roles, status, created }) => [
                  name,
                  roles.join(','),
                  status,
                  created.toISOString().slice(0, 10),
                ]),
              ]),
        )
        if (users.length === 0) output.note('no user')
      }),
    )
  addCommand(user, 'disable <name>', 'end all sessions of a user and refuse new ones')
    .addOption(dataOption())
    .action(async (name: string, flags: SharedFlags) =>
      perform(flags, async ({ output, data }) => {
        await withAuth(data, async (auth) => auth.users.disable(name))
        output.result({ name, status: 'disabled' }, `disabled ${name}; every session has ended`)
      }),
    )
  addCommand(user, 'enable <name>', 'let a disabled user sign in again')
    .addOption(dataOption())
    .action(async (name: string, flags: SharedFlags) =>
      perform(flags, async ({ output, data }) => {
        await withAuth(data, async (auth) => auth.users.enable(name))
        output.result({ name, status: 'active' }, `enabled ${name}`)
      }),
    )
  addCommand(user, 'password <name>', 'set a new password and end all sessions')
    .addOption(dataOption())
    .option('--password-stdin', 'read the password from standard input')
    .action(async (name: string, flags: PasswordFlags) =>
      perform(flags, async (context) => {
        await withAuth(context.data, async (auth) => {
          const { password, generated } = await newPassword(flags)
          await auth.users.setPassword(name, password)
          report(
            context,
            { name },
            `changed the password of ${name}; every session has ended`,
            generated,
          )
        })
      }),
    )
}

interface NewPassword {
  password: string
  /** Set where the password was made here, and has to be shown once. */
  generated: string | undefined
}

/** From standard input, from a terminal, or made: nothing asks where nobody can answer. */
async function newPassword(flags: PasswordFlags): Promise<NewPassword> {
  if (flags.passwordStdin === true)
    return { password: await readStandardInput('password'), generated: undefined }
  if (process.stdin.isTTY)
    return { password: await askSecret('New password'), generated: undefined }
  const made = randomBytes(18).toString('base64url')
  return { password: made, generated: made }
}

function report(
  { output }: CommandContext,
  value: Record<string, unknown>,
  text: string,
  generated: string | undefined,
): void {
  if (generated === undefined) {
    output.result(value, text)
    return
  }
  output.result({ ...value, password: generated }, `${text}\npassword: ${generated}`)
  output.note('the password is shown once; give it over a safe way')
}
