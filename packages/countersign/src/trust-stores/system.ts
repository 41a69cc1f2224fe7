/**
 * The system's store, on the systems that have one: a folder for additions and a command that takes them over.
 *
 * Only the Linux ones are run by tests; macOS and Windows follow their tools' documentation.
 *
 * @module
 */
import { hash } from 'node:crypto'
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { errorMessage, writeFileAtomic } from '@countersign/core'
import { Certificate } from '@countersign/x509'
import { ProgramError } from '../errors.ts'
import { withFile } from './nss.ts'
import { findTool, lastWords, runTool, type ToolResult } from './run-tool.ts'
import { type ConnectResult, type Machine, nickname, type Store } from './store.ts'

/** The system's store; none where the system is not one of those known. */
export function systemStores(machine: Machine): Store[] {
  if (machine.platform === 'darwin') return [macStore(machine)]
  if (machine.platform === 'win32') return [windowsStore(machine)]
  const family = FAMILIES.find(({ additions }) => existsSync(inside(machine, additions)))
  return family === undefined ? [] : [linuxStore(family, machine)]
}

/** How a family of distributions does it. */
interface Family {
  /** Where an administrator's own roots go. */
  readonly additions: string
  readonly extension: string
  /** The bundle that programs read. */
  readonly bundle: string
  /** What takes additions over, and with which arguments in another root. */
  readonly command: string
  readonly args: (machine: Machine) => readonly string[]
  readonly elsewhere: ((machine: Machine) => readonly string[]) | undefined
}

function linuxStore(family: Family, machine: Machine): Store {
  const isHere = machine.root === path.parse(machine.root).root
  const tool = findTool(family.command, machine.env)
  const fileOf = (root: Certificate): string =>
    path.join(
      inside(machine, family.additions),
      `${nickname(root)
        .replaceAll(/[^\w.-]+/g, '-')
        .toLowerCase()}${family.extension}`,
    )
  const bundle = inside(machine, family.bundle)
  const update = async (): Promise<void> => {
    const args = isHere ? family.args(machine) : family.elsewhere?.(machine)
    // In a root where the command does not reach, the system takes it over when it next updates its bundle.
    if (args === undefined || tool === undefined) return
    const result = await runTool(tool, args, machine.env)
    if (result.ok) return
    throw new ProgramError('store-refused', `${family.command} failed: ${lastWords(result)}`)
  }
  return {
    name: 'system',
    place: inside(machine, family.additions),
    unusable:
      tool === undefined && isHere
        ? { fault: `${family.command} is not installed`, hint: 'install ca-certificates' }
        : undefined,
    async holds(root) {
      return existsSync(fileOf(root)) ? isSame(fileOf(root), root) : bundleHolds(bundle, root)
    },
    async add(root) {
      try {
        await writeFileAtomic(fileOf(root), root.pem, { mode: 0o644 })
      } catch (error) {
        throw new ProgramError('store-refused', errorMessage(error), {
          cause: error,
          hint: 'the system’s store needs an administrator: sudo countersign trust install --store system',
        })
      }
      await update()
    },
    async remove(root) {
      const file = fileOf(root)
      if (!existsSync(file) || !isSame(file, root)) return false
      try {
        rmSync(file)
      } catch (error) {
        throw new ProgramError('store-refused', errorMessage(error), {
          cause: error,
          hint: 'the system’s store needs an administrator: sudo countersign trust uninstall --store system',
        })
      }
      await update()
      return true
    },
    connect: async (url) => connectWith(bundle, url),
  }
}

function macStore(machine: Machine): Store {
  const keychain = inside(machine, '/Library/Keychains/System.keychain')
  const security = async (...args: string[]): Promise<ToolResult> =>
    runTool('/usr/bin/security', args, machine.env)
  return {
    name: 'system',
    place: keychain,
    async holds(root) {
      const found = await security('find-certificate', '-a', '-p', keychain)
      return found.ok && pemHolds(found.output, root)
    },
    async add(root) {
      await withFile(root, async (file) => {
        const args = ['add-trusted-cert', '-d', '-r', 'trustRoot', '-k', keychain, file]
        must('security', await security(...args))
      })
    },
    async remove(root) {
      return withFile(root, async (file) => {
        if (!(await security('remove-trusted-cert', '-d', file)).ok) return false
        must('security', await security('delete-certificate', '-Z', sha1(root), keychain))
        return true
      })
    },
  }
}

function windowsStore(machine: Machine): Store {
  const { SystemRoot: system = 'C:\\Windows' } = machine.env
  const certutil = async (...args: string[]): Promise<ToolResult> =>
    runTool(path.join(system, 'System32', 'certutil.exe'), args, machine.env)
  return {
    name: 'system',
    place: 'LocalMachine\\Root',
    holds: async (root) => (await certutil('-store', 'Root', sha1(root))).ok,
    async add(root) {
      await withFile(root, async (file) =>
        must('certutil', await certutil('-addstore', '-f', 'Root', file)),
      )
    },
    async remove(root) {
      if (!(await certutil('-store', 'Root', sha1(root))).ok) return false
      must('certutil', await certutil('-delstore', 'Root', sha1(root)))
      return true
    },
  }
}

function must(tool: string, result: ToolResult): void {
  if (result.ok) return
  throw new ProgramError('store-refused', `${tool} refused: ${lastWords(result)}`, {
    hint: 'the system’s store needs an administrator',
  })
}

/** Our own client with the roots of the system's bundle and no others. */
async function connectWith(bundle: string, url: URL): Promise<ConnectResult | undefined> {
  if (!existsSync(bundle)) return undefined
  const { Session } = await import('@countersign/client')
  await using session = new Session({ ca: bundle, cookies: false, redirect: 'manual' })
  try {
    const response = await session.head(url, { timeoutMs: 15_000 })
    await response.close()
    return { ok: true, by: 'the system’s bundle' }
  } catch (error) {
    return { ok: false, by: 'the system’s bundle', message: errorMessage(error) }
  }
}

function bundleHolds(bundle: string, root: Certificate): boolean {
  return (
    existsSync(bundle) && statSync(bundle).isFile() && pemHolds(readFileSync(bundle, 'utf8'), root)
  )
}

function pemHolds(pem: string, root: Certificate): boolean {
  // Compared as text: a bundle may hold what nobody can parse.
  const body = base64Of(root.pem)
  return pem
    .split('-----BEGIN CERTIFICATE-----')
    .some((block) => base64Of(`-----BEGIN CERTIFICATE-----${block}`) === body)
}

function base64Of(pem: string): string {
  const [, body = ''] = /-----BEGIN CERTIFICATE-----([^-]*)-----END/.exec(pem) ?? []
  return body.replaceAll(/\s/g, '')
}

function isSame(file: string, root: Certificate): boolean {
  return pemHolds(readFileSync(file, 'utf8'), root)
}

function inside(machine: Machine, absolute: string): string {
  return path.join(machine.root, absolute)
}

/** macOS and Windows name certificates by SHA-1; it identifies one here and protects nothing. */
function sha1(root: Certificate): string {
  return hash('sha1', root.der).toUpperCase()
}

/** Where the known families keep what they keep. */
const FAMILIES: readonly Family[] = [
  {
    // Debian, Ubuntu, Alpine.
    additions: '/usr/local/share/ca-certificates',
    extension: '.crt',
    bundle: '/etc/ssl/certs/ca-certificates.crt',
    command: 'update-ca-certificates',
    args: () => [],
    elsewhere: (machine) =>
      [
        ['--localcertsdir', '/usr/local/share/ca-certificates'],
        ['--certsdir', '/usr/share/ca-certificates'],
        ['--certsconf', '/etc/ca-certificates.conf'],
        ['--etccertsdir', '/etc/ssl/certs'],
        ['--hooksdir', '/etc/ca-certificates/update.d'],
      ].flatMap(([option = '', place = '']) => [option, inside(machine, place)]),
  },
  {
    // Fedora, Red Hat and those after them.
    additions: '/etc/pki/ca-trust/source/anchors',
    extension: '.pem',
    bundle: '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
    command: 'update-ca-trust',
    args: () => ['extract'],
    elsewhere: undefined,
  },
  {
    // Arch.
    additions: '/etc/ca-certificates/trust-source/anchors',
    extension: '.pem',
    bundle: '/etc/ca-certificates/extracted/tls-ca-bundle.pem',
    command: 'update-ca-trust',
    args: () => [],
    elsewhere: undefined,
  },
  {
    // openSUSE.
    additions: '/etc/pki/trust/anchors',
    extension: '.pem',
    bundle: '/var/lib/ca-certificates/ca-bundle.pem',
    command: 'update-ca-certificates',
    args: () => [],
    elsewhere: undefined,
  },
]
