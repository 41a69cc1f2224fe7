/**
 * The roots that this program trusts beside the machine's: those of the data folder, and those of authorities that `bootstrap` has
 * looked up. The latter lie below the configuration folder as `authorities/HOST_PORT.pem`, with the facts beside them in `.json`.
 *
 * @module
 */
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { makeFolder, writeFileAtomic } from '@countersign/core'
import { configFolder } from './config-folder.ts'
import type { DataFolder } from './data-folder.ts'

/** What is known of an authority on another machine. */
export interface KnownAuthority {
  /** `https://ca.corp.internal:8443`. */
  readonly url: string
  /** SHA-256 of the root that was compared, lower-case hex. */
  readonly fingerprint: string
  /** When it was looked up. */
  readonly at: Date
}

/** The files of those roots; none where only those of `--ca` count. */
export function ownRoots(data: DataFolder, ca: unknown): string[] {
  if (ca !== undefined) return []
  return [data.roots, ...authorityFiles()].filter((file) => existsSync(file))
}

/**
 * Keeps an authority's roots, in place of those that were kept of it before.
 *
 * @returns the file of the roots
 * @throws CoreError `file-write-failed`
 */
export async function keepAuthority(authority: KnownAuthority, pem: string): Promise<string> {
  const folder = authoritiesFolder()
  makeFolder(configFolder(), 0o700)
  makeFolder(folder, 0o700)
  const { hostname, port } = new URL(authority.url)
  const base = path.join(folder, `${hostname}_${port || '443'}`.replaceAll(/[^a-z0-9._-]/gi, '_'))
  await writeFileAtomic(`${base}.pem`, pem, { mode: 0o644 })
  await writeFileAtomic(`${base}.json`, `${JSON.stringify(authority)}\n`)
  return `${base}.pem`
}

function authorityFiles(): string[] {
  const folder = authoritiesFolder()
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => name.endsWith('.pem'))
    .toSorted()
    .map((name) => path.join(folder, name))
}

function authoritiesFolder(): string {
  return path.join(configFolder(), 'authorities')
}
