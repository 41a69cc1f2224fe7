/**
 * The file of `countersign serve --ticket-secret`: what session tickets are sealed with, the same on several machines, so that a session
 * of one is resumed by the others.
 *
 * @module
 */
import { readFileSync, statSync } from 'node:fs'
import type { TicketOptions } from '@countersign/server'
import { ProgramError } from '../errors.ts'

/** @throws {@link ProgramError} `usage` where it is not there, short, or readable by everybody */
export function ticketSecret(file: string): TicketOptions {
  const found = statSync(file, { throwIfNoEntry: false })
  const fault =
    found?.isFile() !== true
      ? `there is no file ${file}`
      : found.size < 32 || found.size > 1024
        ? `${file} is ${found.size} bytes long, and should be 32 to 1024`
        : (found.mode & 0o007) !== 0
          ? `everybody may read ${file}, and with it the sessions`
          : undefined
  if (fault !== undefined) {
    throw new ProgramError('usage', `--ticket-secret: ${fault}`, {
      hint:
        found !== undefined && (found.mode & 0o007) !== 0
          ? `chmod o= ${file}`
          : `(umask 077; openssl rand -out ${file} 32), and the same file on every machine`,
    })
  }
  return { secret: readFileSync(file) }
}
