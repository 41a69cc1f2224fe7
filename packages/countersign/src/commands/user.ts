/**
 * `countersign user`: the people and services that may sign in.
 *
 * @module
 */
import type { PasswordCode } from '@countersign/auth'
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
  code?: boolean
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
    .option('--code', 'print a one-time code for it, at a terminal as well')
    .option('--service', 'a program: it has no password and calls with tokens')
    .action(async (name: string, flags: AddFlags) =>
      perform(flags, async (context) => {
        refuseContradiction(flags)
        await withAuth(context.data, async (auth) => {
          const kind = flags.service === true ? 'service' : 'user'
          const password = kind === 'service' ? undefined : await firstPassword(flags)
          const roles = flags.role ?? []
          const added = await auth.users.add({ name, password, roles, kind })
          const value = { id: added.id, name: added.name, roles: added.roles }
          const text = `added ${added.name}`
          if (kind === 'user' && password === undefined) {
            reportCode(context, await auth.createPasswordCode(added.name), { value, text })
            return
          }
          context.output.result(value, text)
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
      perform(flags, async ({ data, output }) => {
        await withAuth(data, async (auth) => {
          const password = await givenPassword(flags)
          if (password === undefined) {
            throw new ProgramError('usage', 'standard input is no terminal to ask for a password', {
              hint: `let ${name} choose it: countersign user reset ${name}; or pipe it: --password-stdin`,
            })
          }
          await auth.users.setPassword(name, password)
          output.result(
            { name },
            `changed the password of ${name}; every session and token has ended`,
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
      perform(flags, async (context) => {
        const made = await withAuth(context.data, async (auth) => auth.createPasswordCode(name))
        reportCode(context, made, { value: { name } })
      }),
    )
}

/** @throws {@link ProgramError} `usage` */
function refuseContradiction({ code, passwordStdin, service }: AddFlags): void {
  if (service === true && (passwordStdin === true || code === true)) {
    throw new ProgramError('usage', 'a service has no password', {
      hint: `leave ${passwordStdin === true ? '--password-stdin' : '--code'} out, or --service`,
    })
  }
  if (code === true && passwordStdin === true) {
    throw new ProgramError('usage', 'a password is given, or set with a code', {
      hint: 'leave --code out, or --password-stdin',
    })
  }
}

/** The password, where somebody gives it: else its owner sets it with a code, and nobody else ever knows it (ASVS 6.4.1). */
async function firstPassword(flags: AddFlags): Promise<string | undefined> {
  return flags.code === true ? undefined : await givenPassword(flags)
}

/** From standard input or from a terminal; `undefined` where nobody can answer. */
async function givenPassword({ passwordStdin }: PasswordFlags): Promise<string | undefined> {
  if (passwordStdin === true) return await readStandardInput('password')
  return process.stdin.isTTY ? await askSecret('New password') : undefined
}

/** The code alone where nothing else is the result: a script takes it as it is. */
function reportCode(
  { output }: CommandContext,
  { code, expires }: PasswordCode,
  { value, text }: { value: Record<string, unknown>; text?: string },
): void {
  const expiresInSeconds = Math.round((expires.getTime() - Date.now()) / 1000)
  output.result(
    { ...value, code, expiresInSeconds },
    text === undefined ? code : `${text}\n${code}`,
  )
  const life = expiresInSeconds > 3600 ? '24 hours' : '15 minutes'
  output.note(`good once, for ${life}, to set a password: countersign password URL`)
}
