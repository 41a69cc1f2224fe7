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
import { ProgramError } from '../errors.ts'
import { withAuth } from '../open-data.ts'
import { table } from '../output.ts'
import { addUserCert } from './user-cert.ts'
import { addUserFactors } from './user-factors.ts'
import { addUserKey } from './user-key.ts'
import { askSecret, readStandardInput } from '../secrets.ts'

interface PasswordFlags extends SharedFlags {
  passwordStdin?: boolean
}

interface AddFlags extends PasswordFlags {
  role?: string[]
  service?: boolean
}

interface RoleFlags extends SharedFlags {
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
    .option('--service', 'a program: it has no password and calls with tokens')
    .action(async (name: string, flags: AddFlags) =>
      perform(flags, async (context) => {
        if (flags.service === true && flags.passwordStdin === true) {
          throw new ProgramError('usage', 'a service has no password', {
            hint: 'leave --password-stdin out, or --service',
          })
        }
        await withAuth(context.data, async (auth) => {
          const kind = flags.service === true ? 'service' : 'user'
          const { password, generated } =
            kind === 'service' ? NO_PASSWORD : await newPassword(flags)
          const roles = flags.role ?? []
          const added = await auth.users.add({ name, password, roles, kind })
          report(
            context,
            { id: added.id, name: added.name, roles: added.roles },
            `added ${added.name}`,
            generated,
          )
          if (kind === 'user') return
          context.output.note(`give it a token: countersign token create ${added.name}`)
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
                ['NAME', 'KIND', 'ROLES', 'STATUS', 'ADDED'],
                ...users.map(({ name, kind, roles, status, created }) => [
                  name,
                  kind,
                  roles.join(','),
                  status,
                  created.toISOString().slice(0, 10),
                ]),
              ]),
        )
        if (users.length === 0) output.note('no user')
      }),
    )
  addUserKey(user)
  addUserCert(user)
  addUserFactors(user)
  addCommand(user, 'disable <name>', 'end all sessions and tokens of a user and refuse new ones')
    .addOption(dataOption())
    .action(async (name: string, flags: SharedFlags) =>
      perform(flags, async ({ output, data }) => {
        await withAuth(data, async (auth) => auth.users.disable(name))
        output.result(
          { name, status: 'disabled' },
          `disabled ${name}; every session and token has ended`,
        )
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
  addCommand(user, 'password <name>', 'set a new password and end all sessions and tokens')
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
            `changed the password of ${name}; every session and token has ended`,
            generated,
          )
        })
      }),
    )
  addCommand(user, 'role <name>', 'give a user these roles and no others')
    .addOption(dataOption())
    .option('--role <role>', 'a role, as in admin; may be given again; without any, none', collect)
    .action(async (name: string, flags: RoleFlags) =>
      perform(flags, async ({ output, data }) => {
        const { role: roles = [] } = flags
        await withAuth(data, async (auth) => auth.users.setRoles(name, roles))
        const text = roles.length === 0 ? 'no role' : roles.join(', ')
        output.result({ name, roles }, `${name} has ${text}`)
      }),
    )
  addCommand(user, 'reset <name>', 'make a one-time code with which a user sets a new password')
    .addOption(dataOption())
    .action(async (name: string, flags: SharedFlags) =>
      perform(flags, async ({ output, data }) => {
        const code = await withAuth(data, async (auth) => auth.createResetCode(name))
        output.result({ name, code, expiresInSeconds: 900 }, code)
        output.note(`good once, for 15 minutes: POST /auth/reset/confirm {"token","new"}`)
      }),
    )
}

interface NewPassword {
  password: string
  /** Set where the password was made here, and has to be shown once. */
  generated: string | undefined
}

const NO_PASSWORD: Partial<NewPassword> = {}

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
