/**
 * The settings that stay with a data folder: `countersign.toml`, written by `init` and `up`, read by every command.
 *
 * @module
 */
import { existsSync, readFileSync } from 'node:fs'
import { writeFileAtomic } from '@countersign/core'
import type { Configuration } from './configuration-file.ts'
import type { DataFolder } from './data-folder.ts'

/**
 * Reads `countersign.toml`; a folder without one has no settings of its own, and then nothing that reads one is loaded.
 *
 * @throws {@link ProgramError} `configuration-invalid` with line and column, or the setting that is wrong
 */
export async function readConfiguration(data: DataFolder): Promise<Configuration> {
  if (!existsSync(data.configuration)) return {}
  const { parseConfiguration } = await import('./configuration-file.ts')
  return parseConfiguration(readFileSync(data.configuration, 'utf8'), data.configuration)
}

/** Adds settings to the file, keeping those already there; a comment in the file is lost. */
export async function updateConfiguration(data: DataFolder, changes: Configuration): Promise<void> {
  const before = await readConfiguration(data)
  const after = { ...before, ...changes }
  if (JSON.stringify(before) === JSON.stringify(after)) return
  const { printConfiguration } = await import('./configuration-file.ts')
  await writeFileAtomic(data.configuration, printConfiguration(after), { mode: 0o600 })
}
