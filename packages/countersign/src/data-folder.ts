/**
 * The folder that holds an authority: where it is and what lies in it.
 *
 * @module
 */
import { accessSync, constants, existsSync, readdirSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { errorCode } from '@countersign/core'
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
  /** The keys under which sign-in stores secrets. */
  authKeys: string
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
    authKeys: path.join(folder, 'auth.keys'),
  }
}

/**
 * Refuses a folder without an authority.
 *
 * @throws {@link ProgramError} `not-initialised`, `file-unreadable` for one that this user may not enter
 */
export function requireAuthority(data: DataFolder): void {
  if (existsSync(data.roots)) return
  if (isClosed(data.path)) {
    throw new ProgramError('file-unreadable', `this user may not enter ${data.path}`, {
      hint: 'run it as the user whose authority it is, or name another folder with --data',
    })
  }
  throw new ProgramError('not-initialised', `there is no authority in ${data.path}`, {
    hint: `make one: countersign init --data ${data.path}`,
  })
}

/**
 * Refuses to take over a folder that others use: it would be closed to them. One that is new, empty, closed already or an
 * authority's is ours to close.
 *
 * @throws {@link ProgramError} `folder-shared`
 */
export function refuseSharedFolder(data: DataFolder): void {
  const status = statSync(data.path, { throwIfNoEntry: false })
  if (process.platform === 'win32' || status?.isDirectory() !== true) return
  // One that belongs to somebody else is refused where it is to be closed.
  if ((status.mode & 0o077) === 0 || !isReadable(data.path)) return
  // A file system of its own has `lost+found` from the start.
  const names = readdirSync(data.path).filter((name) => name !== 'lost+found')
  const isOurs = names.length === 0 || names.some((name) => OWN_FILES.has(name))
  const isSticky = (status.mode & 0o1000) !== 0
  if (isOurs && !isSticky) return
  throw new ProgramError(
    'folder-shared',
    `${data.path} is a folder that others can enter, and not empty`,
    {
      hint: `give a folder of its own with --data, or close this one to others first: chmod 700 ${data.path}`,
    },
  )
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

/** Whether there is something that nobody but others may look into. */
function isClosed(folder: string): boolean {
  try {
    accessSync(folder, constants.X_OK)
    return false
  } catch (error) {
    return errorCode(error) === 'EACCES'
  }
}

function isReadable(folder: string): boolean {
  try {
    accessSync(folder, constants.R_OK)
    return true
  } catch {
    return false
  }
}

/** Any of these tells an authority's folder. */
const OWN_FILES = new Set([
  'roots.pem',
  'countersign.db',
  'countersign.toml',
  'passphrase',
  'up.lock',
])
