/**
 * The folder that holds an authority: where it is and what lies in it.
 *
 * @module
 */
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { ProgramError } from './errors.ts'

/** The paths inside a data folder. `roots.pem` is for everyone (0644), everything else for its owner (0600). */
export interface DataFolder {
  path: string
  /** What clients trust. */
  roots: string
  database: string
  configuration: string
  /** Held by the running service; its owner is named in `service`. */
  lock: string
  /** Where the running service listens. */
  service: string
  /** The service's own certificate and key. */
  serverCertificate: string
  serverKey: string
}

/**
 * The data folder of a command: `--data`, else `$COUNTERSIGN_DATA`, else `$XDG_DATA_HOME/countersign`,
 * else `~/.local/share/countersign`.
 */
export function dataFolder(
  option: string | undefined,
  env: NodeJS.ProcessEnv = process.env,
): DataFolder {
  const folder = path.resolve(option ?? defaultDataPath(env))
  return {
    path: folder,
    roots: path.join(folder, 'roots.pem'),
    database: path.join(folder, 'countersign.db'),
    configuration: path.join(folder, 'countersign.toml'),
    lock: path.join(folder, 'up.lock'),
    service: path.join(folder, 'service.json'),
    serverCertificate: path.join(folder, 'server.crt'),
    serverKey: path.join(folder, 'server.key'),
  }
}

/**
 * Refuses a folder without an authority.
 *
 * @throws {@link ProgramError} `not-initialised`
 */
export function requireAuthority(data: DataFolder): void {
  if (existsSync(data.roots)) return
  throw new ProgramError('not-initialised', `there is no authority in ${data.path}`, {
    hint: `make one: countersign init --data ${data.path}`,
  })
}

/** The folder of a command without `--data`. */
export function defaultDataPath(env: NodeJS.ProcessEnv = process.env): string {
  const chosen = nonEmpty(env['COUNTERSIGN_DATA'])
  if (chosen !== undefined) return path.resolve(chosen)
  const base = nonEmpty(env['XDG_DATA_HOME']) ?? path.join(homedir(), '.local', 'share')
  return path.join(base, 'countersign')
}

/** An empty variable counts as one that is not set. */
export function nonEmpty(value: string | undefined): string | undefined {
  return value === undefined || value === '' ? undefined : value
}
