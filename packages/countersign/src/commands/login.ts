/**
 * `countersign login` and `logout`: a session with a service, kept for the calls that follow.
 *
 * @module
 */
import type { Command } from 'commander'
import { type ClientFlags, explainOption, withClientOptions } from '../client-options.ts'
import { completeUrl, forgetLogin, openSession } from '../client-session.ts'
import { addCommand, dataOption, perform, type SharedFlags } from '../command.ts'
import { ProgramError } from '../errors.ts'
import { refusal } from '../refusal.ts'
import { readSecondStep, secondStepBody } from '../second-factor.ts'
import { askSecret, askText, readStandardInput, readStandardInputLines } from '../secrets.ts'

interface LoginFlags extends SharedFlags, ClientFlags {
  user?: string
  passwordStdin?: boolean
  codeStdin?: boolean
  explain?: boolean
}

/** Adds `login`. */
export function addLogin(program: Command): void {
  withClientOptions(addCommand(program, 'login <url>', 'sign in to a service and keep the session'))
    .addOption(dataOption())
    .addOption(explainOption())
    .option('--user <name>', 'user name; asked for at a terminal')
    .option('--password-stdin', 'read the password from standard input')
    .option('--code-stdin', 'read the code of a second factor from it, after the password')
    .action(async (url: string, flags: LoginFlags) =>
      perform(flags, async ({ output, data }) => {
        const { origin } = new URL(completeUrl(url))
        const username = flags.user ?? (await ask('--user', async () => askText('User name')))
        const { password, code } = await secretsOf(flags)
        await using kept = await openSession(flags, data, origin, { keep: true })
        const response = await kept.session.post(`${origin}/login`, {
          json: { username, password },
        })
        const body = await response.text()
        const second = response.ok ? undefined : readSecondStep(body)
        if (second !== undefined) {
          const answer = await kept.session.post(`${origin}/login/mfa`, {
            json: await secondStepBody(second, code),
          })
          if (!answer.ok) throw refusal(answer.status, await answer.text())
          await answer.bytes()
        } else if (!response.ok) throw refusal(response.status, body)
        await kept.save()
        output.result(
          { origin, user: username, session: kept.file },
          `signed in to ${origin} as ${username}`,
        )
      }),
    )
}

/** Password and code, from where the options say; the code only where it is given already. */
async function secretsOf(
  flags: LoginFlags,
): Promise<{ password: string; code?: string | undefined }> {
  const { codeStdin, passwordStdin } = flags
  if (passwordStdin !== true) {
    const password = await ask('--password-stdin', async () => askSecret('Password'))
    return { password, code: codeStdin === true ? await readStandardInput('code') : undefined }
  }
  if (codeStdin !== true) return { password: await readStandardInput('password') }
  const [password = '', code] = await readStandardInputLines('password', 'code')
  return { password, code }
}

/** Adds `logout`. */
export function addLogout(program: Command): void {
  withClientOptions(
    addCommand(program, 'logout <url>', 'end that session, here and at the service'),
  )
    .addOption(dataOption())
    .action(async (url: string, flags: SharedFlags & ClientFlags) =>
      perform(flags, async ({ output, data }) => {
        const { origin } = new URL(completeUrl(url))
        await using kept = await openSession(flags, data, origin)
        if (kept.file === undefined) {
          output.result({ origin, signedIn: false }, `there was no session with ${origin}`)
          return
        }
        const response = await kept.session.post(`${origin}/auth/logout`)
        await response.bytes()
        forgetLogin(origin)
        output.result({ origin, signedIn: false }, `signed out of ${origin}`)
      }),
    )
}

async function ask(option: string, question: () => Promise<string>): Promise<string> {
  if (process.stdin.isTTY) return await question()
  throw new ProgramError('usage', `${option} is needed where standard input is no terminal`, {
    hint: 'printf %s "$PASSWORD" | countersign login URL --user NAME --password-stdin',
  })
}
