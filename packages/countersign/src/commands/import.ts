/**
 * `countersign import`: takes over an authority that another program has made.
 *
 * @module
 */
import path from 'node:path'
import { ensurePrivateFolder } from '@countersign/core'
import type { ImportReport, TakenFindings } from '@countersign/authority'
import type { KeyType } from '@countersign/x509'
import { type Command, Option } from 'commander'
import { refuseWrongClock } from '../clock.ts'
import {
  addCommand,
  collect,
  databaseOption,
  dataOption,
  perform,
  type SharedFlags,
} from '../command.ts'
import { updateConfiguration } from '../configuration.ts'
import { dataFlag } from '../data-flag.ts'
import { type DataFolder, refuseSharedFolder } from '../data-folder.ts'
import type { AuthorityFiles } from '../import/layout.ts'
import { KEY_TYPES } from '../key-types.ts'
import { type KeyPlaceFlags, noteKeys } from '../kept-keys.ts'
import { givenPassphrase, openDataStore, readSecretFile } from '../open-data.ts'
import type { Output } from '../output.ts'

interface ImportFlags extends SharedFlags, KeyPlaceFlags {
  root?: string
  rootKey?: string
  rootKeyPassphraseFile?: string
  issuer?: string | false
  issuerKey?: string
  issuerKeyPassphraseFile?: string
  index?: string
  certificates?: string[]
  crl?: string
  newRoot?: boolean
  org?: string
  keyType?: KeyType
  database?: string
}

/** Adds the command. */
export function addImport(program: Command): void {
  addCommand(
    program,
    'import [folder]',
    'take over an authority of step-ca, easy-rsa, openssl ca or mkcert',
  )
    .addOption(dataOption())
    .option('--root <file>', 'certificate of the root (default: found in the folder)')
    .option('--root-key <file>', 'its key')
    .option('--root-key-passphrase-file <file>', 'the passphrase of that key')
    .option('--issuer <file>', 'certificate of the issuer, where there is one')
    .option('--no-issuer', 'make an issuer of our own, though there is one')
    .option('--issuer-key <file>', 'its key')
    .option(
      '--issuer-key-passphrase-file <file>',
      'the passphrase of that key (default: that of the root’s)',
    )
    .option('--index <file>', 'index.txt of openssl ca or easy-rsa')
    .option('--certificates <dir>', 'folder of certificates that it has issued', collect)
    .option('--crl <file>', 'its newest revocation list: ours get higher numbers')
    .option('--new-root', 'where no issuer can stand below its root: make a root beside it')
    .option('--org <name>', 'organization in the names of what is made (default: that of the root)')
    .addOption(new Option('--key-type <type>', 'keys that are made').choices(KEY_TYPES))
    .option('--passphrase-file <file>', 'passphrase of the issuer’s key here, instead of a new one')
    .option('--root-out <file>', 'write the root’s key there, and not into the data folder')
    .option(
      '--root-passphrase-file <file>',
      'passphrase of the root’s key here, instead of a new one',
    )
    .addOption(databaseOption('sqlite:FILE or postgres://… instead of the folder’s own SQLite'))
    .action(async (folder: string | undefined, flags: ImportFlags) =>
      perform(flags, async ({ output, data }) => {
        refuseWrongClock()
        const files = await filesOf(folder, flags)
        const { readAuthority } = await import('../import/read-authority.ts')
        const rootFile = flags.rootKeyPassphraseFile
        const read = await readAuthority(files, {
          rootFile,
          issuerFile: flags.issuerKeyPassphraseFile ?? rootFile,
        })
        refuseSharedFolder(data)
        ensurePrivateFolder(data.path)
        const { openStore } = await import('@countersign/store')
        await using store =
          flags.database === undefined ? await openDataStore(data) : await openStore(flags.database)
        const { importAuthority } = await import('@countersign/authority')
        const report = await importAuthority({
          ...read,
          store,
          folder: data.path,
          newRoot: flags.newRoot,
          organization: flags.org,
          keyType: flags.keyType,
          passphrase: givenPassphrase(flags.passphraseFile),
          rootPassphrase:
            flags.rootPassphraseFile === undefined
              ? undefined
              : readSecretFile(flags.rootPassphraseFile, 'passphrase'),
          rootKeyFile: flags.rootOut === undefined ? undefined : path.resolve(flags.rootOut),
        })
        if (flags.database !== undefined) {
          await updateConfiguration(data, { database: flags.database })
        }
        print(output, data, files, report)
        noteKeys(output, data, flags)
      }),
    )
}

/** What the folder has, and what options name instead. */
async function filesOf(folder: string | undefined, flags: ImportFlags): Promise<AuthorityFiles> {
  const { findAuthorityFiles } = await import('../import/layout.ts')
  const found = folder === undefined ? NOTHING : findAuthorityFiles(path.resolve(folder))
  const isWithout = flags.issuer === false
  return {
    ...found,
    root: flags.root ?? found.root,
    rootKey: flags.rootKey ?? found.rootKey,
    issuer: isWithout ? undefined : flags.issuer || found.issuer,
    issuerKey: isWithout ? undefined : (flags.issuerKey ?? found.issuerKey),
    index: flags.index ?? found.index,
    certificates: flags.certificates ?? found.certificates,
    crl: flags.crl ?? found.crl,
  }
}

function print(
  output: Output,
  data: DataFolder,
  files: AuthorityFiles,
  { authority, imported, revoked, skipped, findings, hasNewRoot }: ImportReport,
): void {
  const { roots, issuer } = authority
  output.result(
    {
      data: data.path,
      from: files.program,
      roots: roots.map(({ subject, fingerprint }) => ({
        subject: subject.toString(),
        fingerprint,
      })),
      issuer: issuer.subject.toString(),
      imported,
      revoked,
      skipped,
      hasNewRoot,
      findings: findings.map(({ certificate, findings: found }) => ({
        certificate: certificate.subject.toString(),
        findings: found,
      })),
    },
    [
      `took over ${files.program === '' ? 'an authority' : `an authority of ${files.program}`} into ${data.path}`,
      ...roots.map(
        (root) =>
          `  root         ${root.subject.toString()}, until ${root.notAfter.toISOString().slice(0, 10)}`,
      ),
      `  issuer       ${issuer.subject.toString()}`,
      `  ledger       ${imported} certificate${imported === 1 ? '' : 's'}, ${revoked} of them revoked`,
      `clients trust  ${data.roots}`,
    ].join('\n'),
  )
  for (const { source, reason } of skipped.slice(0, MOST_NOTED))
    output.note(`left out ${source}: ${reason}`)
  if (skipped.length > MOST_NOTED) output.note(`left out ${skipped.length - MOST_NOTED} more`)
  if (files.unreadable !== undefined) {
    output.note(
      `${files.unreadable} cannot be read here: what was issued and revoked before is not in the ledger`,
    )
    output.note('hand in certificates that are in use, with --certificates DIR, or let them end')
  }
  for (const one of findings) printFindings(output, one)
  const isFaulty = findings.some(({ findings: found }) => found.some(isRefused))
  if (hasNewRoot) {
    output.note(
      'clients need both roots: hand out roots.pem, and renew every certificate under the new one',
    )
    output.note(`then: countersign roll root --retire${dataFlag(data)}`)
  } else if (isFaulty) {
    output.note(
      `once everything works, end that with a root of its own: countersign roll root${dataFlag(data)}`,
    )
  }
  output.note('let the old authority sign nothing more: its serial numbers and lists go on here')
}

function printFindings(output: Output, { certificate, findings }: TakenFindings): void {
  const name = certificate.subject.get('commonName') ?? certificate.subject.toString()
  for (const { severity, message, refusedBy, id } of findings) {
    if (severity === 'notice') continue
    const who = refusedBy.length === 0 ? '' : `; refused by ${refusedBy.join(', ')}`
    output.note(`${name}: ${message} [${id}]${who}`)
  }
}

function isRefused({ severity, refusedBy }: TakenFindings['findings'][number]): boolean {
  return severity === 'error' || refusedBy.length > 0
}

const NOTHING: AuthorityFiles = {
  program: '',
  root: undefined,
  rootKey: undefined,
  issuer: undefined,
  issuerKey: undefined,
  index: undefined,
  certificates: [],
  crlNumber: undefined,
  crl: undefined,
  unreadable: undefined,
}
const MOST_NOTED = 20
