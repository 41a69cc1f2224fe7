/**
 * The settings that stay with a data folder: `countersign.toml`, written by `init` and `up`, read by every command.
 *
 * @module
 */
import { existsSync, readFileSync } from 'node:fs'
import { writeFileAtomic } from '@countersign/core'
import { parse, stringify, TomlError } from 'smol-toml'
import { z } from 'zod'
import type { DataFolder } from './data-folder.ts'
import { ProgramError } from './errors.ts'

/** The settings as they stand in the file. */
export interface Configuration {
  /** `sqlite:FILE` or `postgres://…`; the data folder's own SQLite file where it is left out. */
  database?: string | undefined
  /** Further host names of the service's own certificate. */
  names?: string[] | undefined
  /** Address and port of the service, `HOST:PORT`. */
  listen?: string | undefined
}

/**
 * Reads `countersign.toml`; a folder without one has no settings of its own.
 *
 * @throws {@link ProgramError} `configuration-invalid` with line and column, or the setting that is wrong
 */
export function readConfiguration(data: DataFolder): Configuration {
  if (!existsSync(data.configuration)) return {}
  const text = readFileSync(data.configuration, 'utf8')
  const result = schema.safeParse(parseToml(text, data.configuration))
  if (result.success) return result.data
  throw new ProgramError(
    'configuration-invalid',
    `${data.configuration}: ${z.prettifyError(result.error).replaceAll(/\s+/g, ' ').replace(/^✖ /, '')}`,
    { hint: `known settings: ${Object.keys(schema.shape).join(', ')}` },
  )
}

/** Adds settings to the file, keeping those already there; a comment in the file is lost. */
export async function updateConfiguration(data: DataFolder, changes: Configuration): Promise<void> {
  const before = readConfiguration(data)
  const after = { ...before, ...changes }
  if (JSON.stringify(before) === JSON.stringify(after)) return
  await writeFileAtomic(data.configuration, `${stringify(after)}\n`, { mode: 0o600 })
}

function parseToml(text: string, file: string): unknown {
  try {
    return parse(text)
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    throw new ProgramError(
      'configuration-invalid',
      `${file}, line ${error.line}, column ${error.column}: not valid TOML`,
      { cause: error },
    )
  }
}

const schema = z.strictObject({
  database: z.string().min(1).optional(),
  names: z.array(z.string().min(1)).max(100).optional(),
  listen: z.string().min(1).optional(),
})
