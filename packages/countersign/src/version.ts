/**
 * The program's own version, as its package says.
 *
 * @module
 */
import { readFileSync } from 'node:fs'

const manifest: { version: string } = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
)

/** The version, `MAJOR.MINOR.PATCH`. */
export const VERSION: string = manifest.version
