/**
 * A file that the command line names, whatever it may be.
 *
 * @module
 */
import { errorCode, errorMessage, readBoundedFile } from '@countersign/core'
import { ProgramError } from './errors.ts'

/**
 * Reads it whole, at most 128 MiB: no list or bundle beyond that can be read.
 *
 * @throws {@link ProgramError} `file-unreadable`
 */
export function readGivenFile(file: string): Buffer {
  try {
    return readBoundedFile(file)
  } catch (error) {
    const fault = FAULTS.get(errorCode(error) ?? '') ?? errorMessage(error)
    throw new ProgramError('file-unreadable', `cannot read ${file}: ${fault}`, {
      hint: 'give the path of a file that this user can read',
      cause: error,
    })
  }
}

/** What Node calls these says its function too. */
const FAULTS: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'it is not there'],
  ['ENOTDIR', 'it is not there'],
  ['EISDIR', 'it is a folder'],
  ['EACCES', 'this user may not'],
])
