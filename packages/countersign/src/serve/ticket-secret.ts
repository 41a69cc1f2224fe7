/**
 * The file of `countersign serve --ticket-secret`: what session tickets are sealed with, the same on several machines, so that a session
 * of one is resumed by the others.
 *
 * @module
 */
import { readFileSync, statSync } from 'node:fs'
import type { TicketOptions } from '@countersign/server'
import { ProgramError } from '../errors.ts'
import { shellWord } from '../shell.ts'

/** @throws {@link ProgramError} `usage` where it is not there, short, or readable by everybody */
export function ticketSecret(file: string): TicketOptions {
  const found = statSync(file, { throwIfNoEntry: false })
  if (found?.isFile() !== true) throw refusal(`there is no file ${file}`, made(file))
  if (found.size < 32 || found.size > 1024) {
    throw refusal(`${file} is ${found.size} bytes long, and should be 32 to 1024`, made(file))
  }
  if ((found.mode & 0o007) !== 0) {
    throw refusal(
      `everybody may read ${file}, and with it the sessions`,
      `chmod o= ${shellWord(file)}`,
    )
  }
  return { secret: readFileSync(file) }
}

function refusal(fault: string, hint: string): ProgramError {
  return new ProgramError('usage', `--ticket-secret: ${fault}`, { hint })
}

function made(file: string): string {
  return `(umask 077; openssl rand -out ${shellWord(file)} 32), and the same file on every machine`
}
