/**
 * Where the signer of an authority is: `signer.json` in the data folder, written by `countersign signer use`.
 *
 * @module
 */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { writeFileAtomic } from '@countersign/core'
import type { DataFolder } from '../data-folder.ts'
import { ProgramError } from '../errors.ts'

/** How the signer is reached; files as absolute paths. */
export interface SignerSettings {
  /** `https://signer.corp.internal:8444`. */
  readonly url: string
  /** What the signer's own certificate has to lead to. */
  readonly ca: string
  /** The certificate that the signer lets in, and its key. */
  readonly cert: string
  readonly key: string
}

/** Writes them. @throws CoreError `file-write-failed` */
export async function writeSignerSettings(
  data: DataFolder,
  settings: SignerSettings,
): Promise<void> {
  await writeFileAtomic(fileOf(data), `${JSON.stringify(settings, undefined, 2)}\n`)
}

/**
 * Reads them.
 *
 * @returns `undefined` where the authority signs with a key of its own
 * @throws {@link ProgramError} `configuration-invalid`
 */
export function readSignerSettings(data: DataFolder): SignerSettings | undefined {
  const file = fileOf(data)
  if (!existsSync(file)) return undefined
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'))
    if (isSettings(value)) return value
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw new ProgramError('configuration-invalid', `${file} cannot be read`, {
    hint: 'write it again: countersign signer use URL --cert FILE --key FILE',
  })
}

function isSettings(value: unknown): value is SignerSettings {
  if (typeof value !== 'object' || value === null) return false
  const fields = new Map<string, unknown>(Object.entries(value))
  return ['url', 'ca', 'cert', 'key'].every((name) => typeof fields.get(name) === 'string')
}

function fileOf(data: DataFolder): string {
  return path.join(data.path, 'signer.json')
}
