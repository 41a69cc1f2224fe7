/**
 * NSS databases: Chromium's and Chrome's on Linux, and one in every profile of Firefox.
 *
 * Chromium 147 and later keep theirs under `$XDG_DATA_HOME/pki/nssdb`, but as soon as `~/.pki/nssdb` exists, empty or not, they
 * use that one and no other (measured). So a root goes into the one in use.
 *
 * @module
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Certificate } from '@countersign/x509'
import { ProgramError } from '../errors.ts'
import { findTool, lastWords, runTool, type ToolResult } from './run-tool.ts'
import { type ConnectResult, type Machine, nickname, type Store, type StoreName } from './store.ts'

/** The databases that Chromium uses: the user's own, and that of a snap. */
export function nssStores(machine: Machine): Store[] {
  const { home, env } = machine
  const old = path.join(home, '.pki', 'nssdb')
  const now = path.join(env['XDG_DATA_HOME'] || path.join(home, '.local', 'share'), 'pki', 'nssdb')
  const snap = path.join(home, 'snap', 'chromium', 'current', '.pki', 'nssdb')
  return [existsSync(old) ? old : now, snap]
    .filter((folder) => existsSync(folder))
    .map((folder) => nssStore('nss', folder, machine))
}

/** A database in a folder: `cert9.db` and its companions. */
export function nssStore(name: StoreName, folder: string, machine: Machine): Store {
  const tool = findTool('certutil', machine.env)
  const certutil = async (...args: string[]): Promise<ToolResult> =>
    runTool(tool ?? '', [...args, '-d', `sql:${folder}`], machine.env)
  return {
    name,
    place: folder,
    unusable:
      tool === undefined
        ? {
            fault: 'certutil is not installed',
            hint: 'install it: apt-get install libnss3-tools, dnf install nss-tools, pacman -S nss',
          }
        : undefined,
    holds: async (root) => (await trustedRoots(certutil)).has(root.fingerprint),
    async add(root) {
      await withFile(root, async (file) => {
        const added = await certutil('-A', '-t', 'C,,', '-n', nickname(root), '-i', file)
        if (added.ok) return
        throw new ProgramError(
          'store-refused',
          `certutil would not add to ${folder}: ${lastWords(added)}`,
        )
      })
    },
    async remove(root) {
      // Under another name it is somebody else's.
      const found = await trustedRoots(certutil)
      if (found.get(root.fingerprint) !== nickname(root)) return false
      const removed = await certutil('-D', '-n', nickname(root))
      if (removed.ok) return true
      throw new ProgramError(
        'store-refused',
        `certutil would not remove from ${folder}: ${lastWords(removed)}`,
      )
    },
    connect: async (url) => connectWith(folder, url, machine),
  }
}

/** The names of the certificates that may sign servers' certificates, by fingerprint. */
async function trustedRoots(
  certutil: (...args: string[]) => Promise<ToolResult>,
): Promise<Map<string, string>> {
  const listed = await certutil('-L')
  if (!listed.ok) throw new ProgramError('store-refused', `certutil: ${lastWords(listed)}`)
  const found = new Map<string, string>()
  for (const line of listed.output.split('\n')) {
    const [, name] = /^(.*?)\s+[a-zA-Z]*C[a-zA-Z]*,[a-zA-Z]*,[a-zA-Z]*\s*$/.exec(line) ?? []
    if (name === undefined) continue
    const pem = await certutil('-L', '-a', '-n', name)
    if (!pem.ok) continue
    for (const { fingerprint } of Certificate.parseAll(pem.output, name)) {
      found.set(fingerprint, name)
    }
  }
  return found
}

/** NSS's own test client, where it is installed. */
async function connectWith(
  folder: string,
  url: URL,
  machine: Machine,
): Promise<ConnectResult | undefined> {
  const tool = findTool('tstclnt', machine.env)
  if (tool === undefined) return undefined
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  const port = url.port === '' ? '443' : url.port
  // -Q: quit once the handshake is done. It tries one address only, and with -4 it is one of IPv4.
  const args = ['-d', `sql:${folder}`, '-h', host, '-p', port, '-Q']
  let result = await runTool(tool, args, machine.env)
  if (/PR_CONNECT_REFUSED_ERROR|PR_NETWORK_UNREACHABLE_ERROR/.test(result.output)) {
    result = await runTool(tool, [...args, '-4'], machine.env)
  }
  return { ok: result.ok, by: 'tstclnt', message: result.ok ? undefined : lastWords(result) }
}

/** The certificate as a file for a program, for as long as that takes. */
export async function withFile<T>(
  root: Certificate,
  use: (file: string) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(path.join(tmpdir(), 'countersign-trust-'))
  try {
    const file = path.join(folder, 'root.crt')
    writeFileSync(file, root.pem)
    return await use(file)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
