/**
 * `countersign password`: a password set with a one-time code, by whoever was given one.
 *
 * @module
 */
import type { Command } from 'commander'
import { type ClientFlags, withClientOptions } from '../client-options.ts'
import { completeUrl, openSession } from '../client-session.ts'
import { addCommand, dataOption, perform, type SharedFlags } from '../command.ts'
import { ProgramError } from '../errors.ts'
import { refusal } from '../refusal.ts'
import { askSecret, askText, readStandardInputLines } from '../secrets.ts'

interface SetPasswordFlags extends SharedFlags, ClientFlags {
  stdin?: boolean
}

/** Adds the command. */
export function addPassword(program: Command): void {
  withClientOptions(addCommand(program, 'password <url>', 'set your password with a one-time code'))
    .addOption(dataOption())
    .option('--stdin', 'read the code and the new password from standard input')
    .action(async (url: string, flags: SetPasswordFlags) =>
      perform(flags, async ({ output, data }) => {
        const { origin } = new URL(completeUrl(url))
        const json = await secretsOf(flags)
        await using kept = await openSession(flags, data, origin)
        const response = await kept.session.post(`${origin}/auth/reset/confirm`, { json })
        const body = await response.text()
        if (!response.ok) throw refusal(response.status, body)
        output.result({ origin }, `your password at ${origin} is set`)
        output.note(`sign in with it: countersign login ${url}`)
      }),
    )
}

/** Two lines of standard input, or two answers at a terminal. */
async function secretsOf({ stdin }: SetPasswordFlags): Promise<{ token: string; new: string }> {
  if (stdin === true) {
    const [token = '', password = ''] = await readStandardInputLines('code', 'password')
    return { token: token.trim(), new: password }
  }
  if (!process.stdin.isTTY) {
    throw new ProgramError('usage', '--stdin is needed where standard input is no terminal', {
      hint: 'printf "%s\\n%s\\n" "$CODE" "$PASSWORD" | countersign password URL --stdin',
    })
  }
  const token = await askText('One-time code')
  return { token: token.trim(), new: await askSecret('New password') }
}
