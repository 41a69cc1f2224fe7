/**
 * `countersign issue --acme URL`: the same files as from our own authority, from whichever speaks ACME.
 *
 * @module
 */
import { readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { makeFolder, writeFileAtomic } from '@countersign/core'
import { Certificate, type KeyType, PrivateKey, verifyChain } from '@countersign/x509'
import type { CommandContext } from '../command.ts'
import { ProgramError } from '../errors.ts'
import { readSecretFile } from '../open-data.ts'
import { parseListenAddress } from '../service/listen-address.ts'
import { openAccount } from './account.ts'
import type { AcmeConnection } from './connection.ts'
import { obtain } from './obtain.ts'
import { keepRenewal, readRenewal, renewalFile } from './renewal.ts'
import { directoryUrl, openAcmeSession } from './session.ts'
import { dnsSolver, httpSolver, type Solver, tlsSolver } from './solvers.ts'

/** The options of `issue` that are about ACME, and those that it shares. */
export interface AcmeIssueFlags {
  acme: string
  acmeEabKid?: string
  acmeEabKeyFile?: string
  acmeProfile?: string
  acmeAgree?: boolean
  httpPort?: string
  tlsPort?: string
  dnsHook?: string
  ca?: string[]
  extraCa?: string[]
  keyType: KeyType
  out: string
  force?: boolean
}

/**
 * Obtains a certificate and writes it.
 *
 * @throws ProgramError `usage`, `acme-refused`, `acme-invalid`, `acme-terms`, `port-unusable`, `exec-failed`, `file-unreadable`
 */
export async function issueByAcme(
  names: readonly string[],
  flags: AcmeIssueFlags,
  { output, data }: CommandContext,
): Promise<void> {
  const directory = directoryUrl(flags.acme)
  const folder = path.resolve(flags.out)
  const { identityFileName } = await import('@countersign/authority')
  const base = path.join(folder, identityFileName(names[0] ?? ''))
  const externalAccount = readExternalAccount(flags)
  await using solver = await openSolver(flags)
  await using session = await openAcmeSession(flags, data, directory)
  const agreed = flags.acmeAgree === true
  const connection = await openAccount(session.fetch, directory, { externalAccount, agreed })
  const key = await PrivateKey.generate(flags.keyType)
  const before = readRenewal(base, directory)
  const profile = flags.acmeProfile
  const wanted = { names, key, profile, replaces: replacedBy(connection, before) }
  const chain = await obtainReplacing(connection, wanted, solver)
  const [leaf, issuer, ...rest] = chain
  if (leaf === undefined || !leaf.publicKey.equals(key.publicKey)) {
    throw new ProgramError('acme-invalid', 'the server signed another key than it was asked to')
  }
  const roots = rootsOf(chain, [...(flags.ca ?? []), ...(flags.extraCa ?? []), data.roots])
  const files =
    roots.length > 0 && issuer !== undefined
      ? await writeWithRoots(folder, names, [leaf, issuer, ...rest], { roots, key, flags })
      : await writeWithout(base, chain, key)
  const window = await keepRenewal(connection, base, { directory, names, leaf })
  if (roots.length === 0)
    output.note('the root of this chain is not known here: roots.pem is not written')
  output.result(
    {
      serial: leaf.serialNumber,
      names: leaf.subjectAltNames,
      notAfter: leaf.notAfter,
      fingerprint: leaf.fingerprint,
      renewAfter: window,
      files: { ...files, renewal: renewalFile(base) },
    },
    [...Object.values(files), renewalFile(base)].filter((file) => file !== undefined).join('\n'),
  )
  output.note(`serial ${leaf.serialNumber}, valid until ${leaf.notAfter.toISOString()}`)
}

function readExternalAccount(flags: AcmeIssueFlags): { id: string; hmacKey: string } | undefined {
  const { acmeEabKid: id, acmeEabKeyFile: file } = flags
  if (id === undefined && file === undefined) return undefined
  if (id === undefined || file === undefined) {
    throw new ProgramError('usage', '--acme-eab-kid and --acme-eab-key-file belong together')
  }
  return { id, hmacKey: readSecretFile(file, 'external account key') }
}

async function openSolver(flags: AcmeIssueFlags): Promise<Solver> {
  const { httpPort, tlsPort, dnsHook } = flags
  const given = [httpPort, tlsPort, dnsHook].filter((one) => one !== undefined)
  if (given.length > 1) {
    throw new ProgramError('usage', 'give one of --http-port, --tls-port and --dns-hook')
  }
  if (dnsHook !== undefined) return dnsSolver(dnsHook)
  if (tlsPort !== undefined) return await tlsSolver(parseListenAddress(tlsPort, EVERY_ADDRESS))
  return await httpSolver(parseListenAddress(httpPort ?? '80', EVERY_ADDRESS))
}

/** What is replaced, for a server that wants to know (RFC 9773 §5). */
function replacedBy(connection: AcmeConnection, before: string | undefined): string | undefined {
  return connection.directory.has('renewalInfo') ? before : undefined
}

/** Somebody may have replaced it already, or the server does not know it any more: then it is an order as every other. */
async function obtainReplacing(
  connection: AcmeConnection,
  wanted: Parameters<typeof obtain>[1],
  solver: Solver,
): Promise<Certificate[]> {
  try {
    return await obtain(connection, wanted, solver)
  } catch (error) {
    const isAboutIt =
      wanted.replaces !== undefined &&
      error instanceof ProgramError &&
      error.code === 'acme-refused' &&
      error.message.includes('newOrder')
    if (!isAboutIt) throw error
    return await obtain(connection, { ...wanted, replaces: undefined }, solver)
  }
}

/** The roots among files that the chain ends in. */
function rootsOf(chain: readonly Certificate[], files: readonly string[]): Certificate[] {
  const known = files
    .filter((file) => statSync(file, { throwIfNoEntry: false })?.isFile() === true)
    .flatMap((file) => Certificate.parseAll(readFileSync(file, 'utf8'), file))
  const [leaf, ...intermediates] = chain
  if (leaf === undefined || known.length === 0) return []
  const verdict = verifyChain({ leaf, intermediates, roots: known, purpose: 'server' })
  return verdict.ok ? verdict.chain.slice(-1) : []
}

interface Written {
  readonly certificate: string
  readonly key: string | undefined
  readonly roots?: string | undefined
}

async function writeWithRoots(
  folder: string,
  names: readonly string[],
  chain: readonly [Certificate, Certificate, ...Certificate[]],
  more: { roots: Certificate[]; key: PrivateKey; flags: AcmeIssueFlags },
): Promise<Written> {
  const { writeIdentity } = await import('@countersign/authority')
  const { roots, key, flags } = more
  const overwrite = flags.force === true
  const {
    certificate,
    key: keyFile,
    roots: rootsFile,
  } = await writeIdentity(folder, names[0] ?? '', { chain }, { roots, key, overwrite })
  return { certificate, key: keyFile, roots: rootsFile }
}

/** The key first, so that no certificate stands without its key. */
async function writeWithout(
  base: string,
  chain: readonly Certificate[],
  key: PrivateKey,
): Promise<Written> {
  const files = { certificate: `${base}.crt`, key: `${base}.key` }
  makeFolder(path.dirname(base))
  await writeFileAtomic(files.key, key.toPem())
  await writeFileAtomic(files.certificate, chain.map(({ pem }) => pem).join(''), { mode: 0o644 })
  return files
}

const EVERY_ADDRESS = '0.0.0.0'
