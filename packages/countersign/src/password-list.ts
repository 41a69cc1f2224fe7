/**
 * Passwords that nobody may choose: a list of the operator's own, of much used or leaked ones, a line for each.
 *
 * @module
 */
import { readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { errorMessage } from '@countersign/core'
import { ProgramError } from './errors.ts'

/** Whether a password is on the list. */
export type IsListed = (password: string) => boolean

/**
 * Reads a list, at most 64 MiB of UTF-8. What is on it is refused as it stands there and in any other case.
 *
 * @param named - from the data folder on, or a whole path; `undefined` where there is none
 * @param folder - the data folder
 * @throws {@link ProgramError} `file-unreadable`, also for a list without a password
 */
export function readPasswordList(named: string | undefined, folder: string): IsListed | undefined {
  if (named === undefined) return undefined
  const file = path.resolve(folder, named)
  const listed = new Set<string>()
  for (const line of textOf(file).split(/\r?\n/)) if (line !== '') listed.add(line.toLowerCase())
  if (listed.size === 0) throw unreadable(file, 'it holds no password')
  return (password) => listed.has(password.toLowerCase())
}

function textOf(file: string): string {
  try {
    const { size } = statSync(file)
    if (size > MOST_BYTES) throw unreadable(file, `it has ${size} bytes, more than ${MOST_BYTES}`)
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (error instanceof ProgramError) throw error
    throw unreadable(file, errorMessage(error), error)
  }
}

function unreadable(file: string, reason: string, cause?: unknown): ProgramError {
  return new ProgramError('file-unreadable', `cannot read the passwords of ${file}: ${reason}`, {
    hint: 'give a text with a password on each line: refusedPasswords = "FILE" in countersign.toml',
    cause,
  })
}

const MOST_BYTES = 67_108_864
