/**
 * `countersign issue --acme URL`: the same files as from our own authority, from whichever speaks ACME.
 *
 * @module
 */
import { readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { CountersignError, makeFolder, writeFileAtomic } from '@countersign/core'
import { Certificate, type KeyType, PrivateKey, verifyChain } from '@countersign/x509'
import type { CommandContext } from '../command.ts'
import { ProgramError } from '../errors.ts'
import { readSecretFile } from '../open-data.ts'
import { renewalTime } from '../renewal-time.ts'
import { openAccount } from './account.ts'
import type { AcmeConnection, AcmeFetch } from './connection.ts'
import { ariId, readRecord, wholePaths, writeRecord } from './renewal.ts'
import { renewalFile } from './renewal-file.ts'
import { windowIn } from './renewal-window.ts'
import { obtainReplacing } from './replacing.ts'
import { directoryUrl, openAcmeSession } from './session.ts'
import { openSolver } from './solvers.ts'

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
  const before = idBefore(base, directory)
  const profile = flags.acmeProfile
  const chain = await obtainReplacing(connection, { names, key, profile }, before, solver)
  const [leaf, issuer, ...rest] = chain
  const record = {
    directory,
    account: connection.account,
    names,
    certificate: ariId(leaf),
    before,
    profile,
    httpPort: flags.httpPort,
    tlsPort: flags.tlsPort,
    dnsHook: flags.dnsHook,
    ca: wholePaths(flags.ca),
    extraCa: wholePaths(flags.extraCa),
    renewAfter: renewalTime(leaf).toISOString(),
  }
  makeFolder(folder)
  await writeRecord(base, record)
  const roots = rootsOf(chain, [...(flags.ca ?? []), ...(flags.extraCa ?? []), data.roots])
  const files =
    roots.length > 0 && issuer !== undefined
      ? await writeWithRoots(folder, names, [leaf, issuer, ...rest], { roots, key, flags })
      : await writeWithout(base, chain, key)
  const renewAfter = await suggestedStart(session.fetch, connection, leaf)
  if (renewAfter !== undefined) await writeRecord(base, { ...record, renewAfter })
  if (roots.length === 0)
    output.note('the root of this chain is not known here: roots.pem is not written')
  output.result(
    {
      serial: leaf.serialNumber,
      names: leaf.subjectAltNames,
      notAfter: leaf.notAfter,
      fingerprint: leaf.fingerprint,
      renewAfter: renewAfter ?? record.renewAfter,
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

/** The certificate that is there, where it came from the same server; a damaged file only means that the server is not told. */
function idBefore(base: string, directory: string): string | undefined {
  try {
    const kept = readRecord(base)
    return kept?.directory === directory ? kept.certificate : undefined
  } catch (error) {
    if (error instanceof ProgramError) return undefined
    throw error
  }
}

/** When the server suggests to renew it. The certificate is there, whatever becomes of the question. */
async function suggestedStart(
  fetch: AcmeFetch,
  { directory }: AcmeConnection,
  leaf: Certificate,
): Promise<string | undefined> {
  try {
    const window = await windowIn(fetch, directory, leaf)
    return window === undefined ? undefined : new Date(window.start).toISOString()
  } catch (error) {
    if (error instanceof CountersignError) return undefined
    throw error
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
