/**
 * `countersign init`: makes an authority in a data folder.
 *
 * @module
 */
import path from 'node:path'
import { ensurePrivateFolder } from '@countersign/core'
import type { KeyType } from '@countersign/x509'
import { type Command, Option } from 'commander'
import {
  addCommand,
  collectList,
  databaseOption,
  dataOption,
  perform,
  type SharedFlags,
} from '../command.ts'
import { updateConfiguration } from '../configuration.ts'
import { refuseWrongClock } from '../clock.ts'
import { type DataFolder, refuseSharedFolder } from '../data-folder.ts'
import { KEY_TYPES } from '../key-types.ts'
import { givenPassphrase, openDataStore, readSecretFile } from '../open-data.ts'
import type { Output } from '../output.ts'
import { shellWord } from '../shell.ts'

interface InitFlags extends SharedFlags {
  org?: string
  keyType?: KeyType
  constrain?: string[]
  passphraseFile?: string
  rootOut?: string
  rootPassphraseFile?: string
  database?: string
}

/** Adds the command. */
export function addInit(program: Command): void {
  addCommand(program, 'init', 'make an authority: a root and an issuer')
    .addOption(dataOption())
    .option('--org <name>', 'organization in the names of root and issuer')
    .addOption(new Option('--key-type <type>', 'keys of root and issuer').choices(KEY_TYPES))
    .option(
      '--constrain <list>',
      'only these domains and IP ranges, as in .corp.internal,10.0.0.0/8',
      collectList,
    )
    .option(
      '--passphrase-file <file>',
      'take the passphrase of the issuer’s key from here instead of making one',
    )
    .option('--root-out <file>', 'write the root’s key there, and not into the data folder')
    .option(
      '--root-passphrase-file <file>',
      'take the passphrase of the root’s key from here instead of making one',
    )
    .addOption(databaseOption('sqlite:FILE or postgres://… instead of the folder’s own SQLite'))
    .action(async (flags: InitFlags) =>
      perform(flags, async ({ output, data }) => {
        refuseWrongClock()
        refuseSharedFolder(data)
        ensurePrivateFolder(data.path)
        const { openStore } = await import('@countersign/store')
        await using store =
          flags.database === undefined ? await openDataStore(data) : await openStore(flags.database)
        const { initAuthority } = await import('@countersign/authority')
        const authority = await initAuthority({
          store,
          folder: data.path,
          organization: flags.org,
          keyType: flags.keyType,
          constrain: flags.constrain,
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
        const [root] = authority.roots
        output.result(
          {
            data: data.path,
            roots: data.roots,
            root: root?.subject.toString(),
            fingerprint: root?.fingerprint,
            issuer: authority.issuer.subject.toString(),
            trustDomain: authority.trustDomain,
          },
          [
            `made an authority in ${data.path}`,
            `  root         ${root?.subject.toString()}, until ${root?.notAfter.toISOString().slice(0, 10)}`,
            `  fingerprint  ${root?.fingerprint}`,
            `  issuer       ${authority.issuer.subject.toString()}`,
            `clients trust  ${data.roots}`,
          ].join('\n'),
        )
        if (flags.passphraseFile === undefined && givenPassphrase() === undefined) {
          output.note(
            `the issuer’s passphrase is in ${data.path}/passphrase: keep a copy elsewhere`,
          )
        }
        noteRoot(output, data, flags)
      }),
    )
}

/** Where the root's key and its passphrase are, and what to do with them. */
function noteRoot(
  output: Output,
  data: DataFolder,
  { rootOut, rootPassphraseFile }: InitFlags,
): void {
  const secret =
    rootPassphraseFile === undefined ? path.join(data.path, 'root.passphrase') : undefined
  if (rootOut === undefined) {
    const files = [path.join(data.path, 'root.key'), ...(secret === undefined ? [] : [secret])]
    output.note(
      `the root is needed once a year: move ${files.map(shellWord).join(' and ')} to another medium`,
    )
  } else if (secret !== undefined) {
    output.note(
      `the root’s key is in ${rootOut}, and its passphrase in ${secret}: keep them apart, and a copy of each`,
    )
  }
}
