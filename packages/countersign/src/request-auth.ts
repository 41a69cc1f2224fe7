/**
 * Credentials of one call from the command line, without one of them ever being an argument that every process can read.
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import type { Auth } from '@countersign/client'
import { errorMessage } from '@countersign/core'
import type { Command } from 'commander'
import { ProgramError } from './errors.ts'
import { askSecret, readStandardInput } from './secrets.ts'

/** The options that say who calls. */
export interface AuthFlags {
  user?: string
  passwordStdin?: boolean
  tokenFile?: string
}

/** Adds them. */
export function withAuthOptions(command: Command): Command {
  return command
    .option('--user <name>', 'user name of HTTP Basic; its password is asked for')
    .option('--password-stdin', 'read that password from standard input')
    .option('--token-file <file>', 'the bearer token in this file; - is standard input')
}

/**
 * The credentials that the options name.
 *
 * @throws {@link ProgramError} `usage`, `file-unreadable`
 */
export async function requestAuth(flags: AuthFlags): Promise<Auth | undefined> {
  const { user, tokenFile } = flags
  if (user !== undefined && tokenFile !== undefined) {
    throw new ProgramError('usage', '--user and --token-file contradict each other')
  }
  if (tokenFile !== undefined) return { bearer: await readToken(tokenFile) }
  if (user === undefined) {
    if (flags.passwordStdin !== true) return undefined
    throw new ProgramError('usage', '--password-stdin is given without --user')
  }
  if (flags.passwordStdin === true) {
    return { username: user, password: await readStandardInput('password') }
  }
  if (process.stdin.isTTY) return { username: user, password: await askSecret('Password') }
  throw new ProgramError(
    'usage',
    '--password-stdin is needed where standard input is no terminal',
    { hint: 'printf %s "$PASSWORD" | countersign get URL --user NAME --password-stdin' },
  )
}

async function readToken(file: string): Promise<string> {
  if (file === '-') return readStandardInput('token')
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    throw new ProgramError('file-unreadable', `cannot read ${file}: ${errorMessage(error)}`, {
      cause: error,
    })
  }
}
