/**
 * The data folder in a command that a message suggests.
 *
 * @module
 */
import { type DataFolder, defaultDataPath } from './data-folder.ts'
import { shellWord } from './shell.ts'

/** ` --data DIR`, or nothing where that is the folder of commands without it. */
export function dataFlag(data: DataFolder): string {
  return data.path === defaultDataPath() ? '' : ` --data ${shellWord(data.path)}`
}
