/**
 * A file that the command line names, whatever it may be.
 *
 * @module
 */
import { errorMessage, readBoundedFile } from '@countersign/core'
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
    throw new ProgramError('file-unreadable', `cannot read ${file}: ${errorMessage(error)}`, {
      cause: error,
    })
  }
}
